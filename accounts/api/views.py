"""What every view of the API shares, and who one is there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn, cast

from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions, serializers, viewsets
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.permissions import AnybodyReads, SignedIn
from accounts.api.schema import Operation, Schema
from accounts.models import Membership, MembershipRole, TokenScope
from accounts.permissions import Tier, is_certified_manager, reader_tier


class AnyFormat(DefaultContentNegotiation):
    """For files: they come as what they are, whatever the reader would like best."""

    def select_renderer(
        self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None
    ) -> tuple[Any, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


class View(viewsets.ViewSet):
    """Operations with a table that describes them."""

    schema = Schema()
    permission_classes: tuple[type[BasePermission], ...] = (AnybodyReads,)
    tag = ""
    operations: dict[str, Operation] = {}
    # Operations that take a file, and that answer with one.
    uploads: tuple[str, ...] = ()
    downloads: tuple[str, ...] = ()

    @property
    def user(self) -> Any:
        return self.request.user

    def _asked(self) -> str | None:
        # REST framework names the action only after it has asked for parsers.
        method = self.request.method if self.request is not None else None
        return self.action_map.get((method or "").lower()) if self.action_map else None

    def get_parsers(self) -> list[Any]:
        return [MultiPartParser()] if self._asked() in self.uploads else super().get_parsers()

    def get_content_negotiator(self) -> Any:
        asked = self._asked()
        return AnyFormat() if asked in self.downloads else super().get_content_negotiator()

    def read(self, serializer: type[Any], **kwargs: Any) -> dict[str, Any]:
        """Return the body as `serializer` reads it, or raise with every field that is wrong."""
        reader = serializer(data=self.request.data, **kwargs)
        reader.is_valid(raise_exception=True)
        data: dict[str, Any] = reader.validated_data
        return data


class MembershipSerializer(serializers.Serializer[Membership]):
    """An organization you are an active member of."""

    id = serializers.IntegerField(source="organization_id")
    name = serializers.CharField(source="organization.name")
    verified = serializers.BooleanField(source="organization.is_verified")
    role = serializers.ChoiceField(choices=MembershipRole.choices)


class MeSerializer(serializers.Serializer[Any]):
    """Who you are here."""

    name = serializers.CharField()
    email = serializers.EmailField()
    tier = serializers.ChoiceField(
        choices=[(tier.name.lower(), tier.name.lower()) for tier in Tier],
        help_text=_("What you read of listings that are not yours."),
    )
    is_manager = serializers.BooleanField(help_text=_("A certified technology manager."))
    is_operator = serializers.BooleanField()
    organizations = MembershipSerializer(many=True)
    token_scope = serializers.ChoiceField(
        choices=TokenScope.choices, allow_null=True, help_text=_("Null without a token.")
    )
    token_expires = serializers.DateTimeField(allow_null=True)


class Me(View):
    """The person who asks."""

    permission_classes = (SignedIn,)
    tag = "me"
    operations = {
        "retrieve": Operation(
            _("Who you are"),
            _("Your name, your tier, the organizations you can write for, and what the token may."),
            {200: MeSerializer},
        )
    }

    def retrieve(self, request: Request) -> Response:
        user, token = self.user, cast(Any, request.auth)
        memberships = Membership.objects.active().filter(user=user)
        body = {
            "name": user.name,
            "email": user.email,
            "tier": reader_tier(user).name.lower(),
            "is_manager": is_certified_manager(user),
            "is_operator": user.is_operator,
            "organizations": memberships.select_related("organization").order_by("pk"),
            "token_scope": token.scope if token is not None else None,
            "token_expires": token.expiry if token is not None else None,
        }
        return Response(MeSerializer(body).data)


class Nothing(APIView):
    """An address that does not exist, answered as a program expects it."""

    schema = None
    permission_classes = (AllowAny,)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> NoReturn:
        raise exceptions.NotFound
