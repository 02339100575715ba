from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CatalogConfig(AppConfig):
    name = "catalog"
    verbose_name = _("Demands and achievements")

    def ready(self) -> None:
        from accounts import classes
        from catalog.industries import industries, industry_name

        classes.register(industries, industry_name)

        from accounts import delivery
        from catalog import letters

        delivery.register("reminder", letters.reminder)
        delivery.register("search_news", letters.search_news)

        from catalog import notices

        notices.connect()
