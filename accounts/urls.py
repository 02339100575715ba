from django.urls import path

from accounts.views import (
    design,
    help,
    manager_files,
    manager_ties,
    managers,
    notifications,
    ops,
    ops_managers,
    organizations,
    settings,
    tokens,
    verification,
)

urlpatterns = [
    path("org/", organizations.organization, name="organization"),
    path("org/new/", organizations.organization_new, name="organization_new"),
    path("org/join/", organizations.organization_join, name="organization_join"),
    path("org/<int:pk>/edit/", organizations.organization_edit, name="organization_edit"),
    path("org/<int:pk>/members/", organizations.organization_members, name="organization_members"),
    path(
        "org/<int:pk>/members/<int:member>/answer/",
        organizations.member_answer,
        name="member_answer",
    ),
    path("org/<int:pk>/members/<int:member>/role/", organizations.member_role, name="member_role"),
    path(
        "org/<int:pk>/members/<int:member>/remove/",
        organizations.member_remove,
        name="member_remove",
    ),
    path(
        "org/<int:pk>/verification/",
        verification.organization_verification,
        name="organization_verification",
    ),
    path(
        "org/<int:pk>/evidence/<int:evidence>/",
        verification.evidence_download,
        name="evidence_download",
    ),
    path(
        "org/<int:pk>/evidence/<int:evidence>/remove/",
        verification.evidence_remove,
        name="evidence_remove",
    ),
    path("org/<int:pk>/code/", verification.organization_code, name="organization_code"),
    path(
        "org/<int:pk>/code/recall/",
        verification.organization_code_recall,
        name="organization_code_recall",
    ),
    path("managers/", managers.manager_list, name="manager_list"),
    path("manager/", managers.manager_own, name="manager_own"),
    path("manager/apply/", managers.manager_apply, name="manager_apply"),
    path("manager/files/", managers.manager_file_add, name="manager_file_add"),
    path("manager/renewal/", managers.manager_renewal, name="manager_renewal"),
    path("manager/renewal/recall/", managers.manager_renewal_recall, name="manager_renewal_recall"),
    path("manager/absences/", manager_ties.manager_absences, name="manager_absences"),
    path(
        "manager/absences/<int:absence>/end/",
        manager_ties.manager_absence_end,
        name="manager_absence_end",
    ),
    path("manager/interests/", manager_ties.manager_interests, name="manager_interests"),
    path(
        "managers/<int:pk>/files/<int:evidence>/", manager_files.manager_file, name="manager_file"
    ),
    path(
        "managers/<int:pk>/files/<int:evidence>/remove/",
        manager_files.manager_file_remove,
        name="manager_file_remove",
    ),
    path("notifications/", notifications.notifications, name="notifications"),
    path("notifications/read/", notifications.notifications_read, name="notifications_read"),
    path("notifications/mute/", notifications.notification_mute, name="notification_mute"),
    path("notifications/<int:pk>/open/", notifications.notification_open, name="notification_open"),
    path(
        "notifications/mails/<str:token>/",
        notifications.notification_mails_end,
        name="notification_mails_end",
    ),
    path(
        "settings/notifications/",
        notifications.settings_notifications,
        name="settings_notifications",
    ),
    path("settings/profile/", settings.settings_profile, name="settings_profile"),
    path("settings/tokens/", tokens.settings_tokens, name="settings_tokens"),
    path("settings/tokens/<uuid:token>/revoke/", tokens.token_revoke, name="token_revoke"),
    path("settings/first-steps/", settings.first_steps, name="first_steps"),
    path("settings/role/", settings.switch_role, name="switch_role"),
    path("design/", design.design, name="design"),
    path("ops/organizations/", ops.ops_organizations, name="ops_organizations"),
    path("ops/organizations/<int:pk>/", ops.ops_organization, name="ops_organization"),
    path("ops/managers/", ops_managers.ops_managers, name="ops_managers"),
    path("ops/managers/<int:pk>/", ops_managers.ops_manager, name="ops_manager"),
    *(
        path(f"help/{page}/", help.help_page, {"page": page}, name=f"help_{page}")
        for page in help.PAGES
    ),
]
