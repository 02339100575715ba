"""Addresses of the two lists. Each page exists twice, told apart by its `kind`."""

from django.urls import URLPattern, path

from catalog.steps import WHAT, WHOLE
from catalog.views import (
    assist,
    browse,
    exports,
    files,
    form,
    imports,
    life,
    lists,
    mine,
    reasons,
    review,
    revisions,
    searches,
)


def _pages(kind: str, plural: str) -> list[URLPattern]:
    which = {"kind": kind}
    return [
        path(f"{plural}/", lists.listing_list, which, name=f"{kind}_list"),
        path(f"{plural}/new/", form.listing_new, which | {"step": WHAT}, name=f"{kind}_new"),
        path(
            f"{plural}/new/all/",
            form.listing_new,
            which | {"step": WHOLE},
            name=f"{kind}_new_whole",
        ),
        path(f"{plural}/export/", exports.export_list, which, name=f"export_{plural}"),
        path(f"{plural}/<str:number>/", browse.listing_detail, which, name=f"{kind}_detail"),
        path(f"{plural}/<str:number>/edit/", form.listing_edit, which, name=f"{kind}_edit"),
        path(
            f"{plural}/<str:number>/edit/<str:step>/",
            form.listing_edit,
            which,
            name=f"{kind}_step",
        ),
        path(
            f"{plural}/<str:number>/preview/<str:tier>/",
            form.listing_preview,
            which,
            name=f"{kind}_preview",
        ),
        path(f"{plural}/<str:number>/clone/", form.listing_clone, which, name=f"{kind}_clone"),
        path(
            f"{plural}/<str:number>/withdraw/",
            life.listing_withdraw,
            which,
            name=f"{kind}_withdraw",
        ),
        path(f"{plural}/<str:number>/close/", life.listing_close, which, name=f"{kind}_close"),
        path(
            f"{plural}/<str:number>/confirm/", life.listing_confirm, which, name=f"{kind}_confirm"
        ),
        path(f"{plural}/<str:number>/files/", files.listing_files, which, name=f"{kind}_files"),
        path(
            f"{plural}/<str:number>/files/<int:file>/",
            files.file_change,
            which,
            name=f"{kind}_file",
        ),
        path(
            f"{plural}/<str:number>/files/<int:file>/remove/",
            files.file_remove,
            which,
            name=f"{kind}_file_remove",
        ),
        path(
            f"{plural}/<str:number>/revisions/",
            revisions.listing_revisions,
            which,
            name=f"{kind}_revisions",
        ),
        path(f"{plural}/<str:number>/appeal/", life.listing_appeal, which, name=f"{kind}_appeal"),
        path(
            f"{plural}/<str:number>/suspend/", life.listing_suspend, which, name=f"{kind}_suspend"
        ),
        path(f"{plural}/<str:number>/resume/", life.listing_resume, which, name=f"{kind}_resume"),
        path(f"my/{plural}/", mine.my_listings, which, name=f"my_{plural}"),
        path(f"my/{plural}/export/", exports.export_own, which, name=f"export_my_{plural}"),
        path(f"my/{plural}/bulk/", mine.my_listings_bulk, which, name=f"my_{plural}_bulk"),
    ]


urlpatterns = [
    *_pages("demand", "demands"),
    *_pages("achievement", "achievements"),
    path("classes/<str:scheme>/", assist.class_search, name="class_search"),
    path("quality/<str:kind>/<str:step>/", assist.listing_quality, name="listing_quality"),
    path("figures/<str:kind>/<str:step>/", assist.find_indicators, name="find_indicators"),
    path("files/<int:pk>/", files.attachment_download, name="attachment_download"),
    path("my/imports/new/", imports.import_new, name="import_new"),
    path(
        "my/imports/template/<str:kind>-<str:language>.<str:file_format>",
        imports.import_template,
        name="import_template",
    ),
    path("my/imports/<int:pk>/", imports.import_job, name="import_job"),
    path("my/imports/<int:pk>/confirm/", imports.import_confirm, name="import_confirm"),
    path("my/imports/<int:pk>/cancel/", imports.import_cancel, name="import_cancel"),
    path(
        "my/imports/<int:pk>/report.<str:file_format>",
        imports.import_report,
        name="import_report",
    ),
    path("my/searches/", searches.saved_searches, name="saved_searches"),
    path("my/searches/new/", searches.saved_search_new, name="saved_search_new"),
    path("my/searches/<int:pk>/", searches.saved_search_edit, name="saved_search_edit"),
    path("my/searches/<int:pk>/open/", searches.saved_search_open, name="saved_search_open"),
    path("my/searches/<int:pk>/delete/", searches.saved_search_delete, name="saved_search_delete"),
    path("still-true/<str:token>/", life.listing_still_true, name="listing_still_true"),
    path(
        "no-search-mails/<str:token>/",
        searches.saved_searches_unsubscribe,
        name="saved_searches_unsubscribe",
    ),
    path("workbench/listings/", review.listing_queue, name="listing_queue"),
    path("workbench/listings/<str:number>/", review.listing_review, name="listing_review"),
    path("workbench/listings/<str:number>/undo/", review.listing_undo, name="listing_undo"),
    path("ops/reasons/", reasons.ops_reasons, name="ops_reasons"),
    path("ops/reasons/<str:subject>/", reasons.ops_reason_new, name="ops_reason_new"),
    path("ops/reasons/<str:subject>/<str:code>/", reasons.ops_reason, name="ops_reason"),
]
