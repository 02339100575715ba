"""Addresses of the two lists. Each page exists twice, told apart by its `kind`."""

from django.urls import URLPattern, path

from catalog.views import browse, review, write


def _pages(kind: str, plural: str) -> list[URLPattern]:
    which = {"kind": kind}
    return [
        path(f"{plural}/", browse.listing_list, which, name=f"{kind}_list"),
        path(f"{plural}/new/", write.listing_new, which, name=f"{kind}_new"),
        path(f"{plural}/<str:number>/", browse.listing_detail, which, name=f"{kind}_detail"),
        path(f"{plural}/<str:number>/edit/", write.listing_edit, which, name=f"{kind}_edit"),
        path(
            f"{plural}/<str:number>/withdraw/",
            write.listing_withdraw,
            which,
            name=f"{kind}_withdraw",
        ),
        path(f"{plural}/<str:number>/close/", write.listing_close, which, name=f"{kind}_close"),
        path(
            f"{plural}/<str:number>/confirm/", write.listing_confirm, which, name=f"{kind}_confirm"
        ),
        path(f"my/{plural}/", browse.my_listings, which, name=f"my_{plural}"),
    ]


urlpatterns = [
    *_pages("demand", "demands"),
    *_pages("achievement", "achievements"),
    path("workbench/listings/", review.listing_queue, name="listing_queue"),
    path("workbench/listings/<str:number>/", review.listing_review, name="listing_review"),
]
