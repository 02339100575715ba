"""Settings that every environment shares. What is read from the environment is in .env.example."""

import re
from pathlib import Path

import django_stubs_ext
from celery.schedules import crontab
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from config import env
from config.logs import logging_settings

# Lets classes such as ModelForm[Organization] name their model at run time too.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent.parent
# Everything that is made at run time: the embedded services' data, the model, static files.
VAR_DIR = Path(env.text("KEQIAO_VAR", str(BASE_DIR / "var")))

SITE_NAME = env.text("SITE_NAME", "科桥 KeQiao")
SITE_OPERATOR = env.text("SITE_OPERATOR", "")
# The same on English pages: without a setting, the Latin words of the name.
SITE_NAME_EN = env.text("SITE_NAME_EN", re.sub(r"[^\x20-\x7e]", "", SITE_NAME).strip()) or SITE_NAME
SITE_OPERATOR_EN = env.text("SITE_OPERATOR_EN", "")
# How people reach those who run it: an e-mail address, a telephone number, or both.
SITE_CONTACT = env.text("SITE_CONTACT", "")
# The number of the site's registration (ICP 备案号), which Chinese law wants on its pages.
SITE_ICP = env.text("SITE_ICP", "")
# Closes the site like `manage.py maintenance on`, for hosts that share no files.
MAINTENANCE = env.flag("MAINTENANCE", False)
# What links in mails begin with: a task that writes one sees no request.
SITE_URL = env.text("SITE_URL", "http://localhost:8000")

# --- Applications -----------------------------------------------------------------------------

INSTALLED_APPS = [
    "accounts",
    "catalog",
    "matchmaking",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.sitemaps",
    "django.forms",
    "django_structlog",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "pgtrigger",
    "pghistory",
    "django_htmx",
    "template_partials",
    "csp",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # Before whatever may answer by itself: its answers need the policy too.
    "csp.middleware.CSPMiddleware",
    "config.middleware.Maintenance",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "config.middleware.OwnLanguage",
    "config.middleware.PageLanguage",
    "django_structlog.middlewares.RequestMiddleware",
    "catalog.views.unsent.OutlivesSession",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            # The design system; every page is made of it.
            "builtins": ["accounts.templatetags.components"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.context.site",
                "accounts.context.navigation",
            ],
        },
    },
]

# Ours come before Django's: templates/django/forms.
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# --- Database, cache, sessions ----------------------------------------------------------------

DATABASES = {
    "default": env.database(env.text("DATABASE_URL", "postgres://keqiao@localhost/keqiao"))
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.text("REDIS_URL", "redis://localhost:6379/0")
CACHES = {
    "default": {
        "BACKEND": "config.cache.Cache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "keqiao",
        # A broker that does not answer must not hold a page.
        "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 2},
    }
}

# --- People -----------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": name}
    for name in (
        "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "accounts.passwords.MinimumLengthValidator",
        "django.contrib.auth.password_validation.CommonPasswordValidator",
        "django.contrib.auth.password_validation.NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"

# Beside those in accounts/data/public_mail_domains.txt: domains that anybody gets an address under.
PUBLIC_MAIL_DOMAINS = [name.lower() for name in env.listing("PUBLIC_MAIL_DOMAINS", [])]

ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_FORMS = {"signup": "accounts.forms.SignupForm"}
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_SESSION_REMEMBER = None
# Whether an address has an account is nobody's business.
ACCOUNT_PREVENT_ENUMERATION = True
# How many proxies in front may be believed about the visitor's address; rate limits count by it.
ALLAUTH_TRUSTED_PROXY_COUNT = env.integer("TRUSTED_PROXIES", 0, maximum=5)
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = SITE_NAME

# --- API ----------------------------------------------------------------------------------------

# knox hashes the tokens; the table is ours, so its own is never made.
KNOX_TOKEN_MODEL = "accounts.ApiToken"
MIGRATION_MODULES = {"knox": None}
REST_KNOX = {
    "AUTH_HEADER_PREFIX": "Bearer",
    # Found by those who look for secrets in public code.
    "TOKEN_PREFIX": "kq_",
    "TOKEN_TTL": None,
}

# Requests in a minute: of one address, or of one person (three times as many reads).
API_READS_PER_MINUTE = env.integer("API_READS_PER_MINUTE", 200, minimum=1)
API_WRITES_PER_MINUTE = env.integer("API_WRITES_PER_MINUTE", 120, minimum=1)
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.api.authentication.BearerToken",
        # For the page of the documentation; it asks for the CSRF token with whatever changes.
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.api.permissions.Closed"],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.api.throttles.PerMinute"],
    "DEFAULT_PARSER_CLASSES": ["accounts.api.parsers.BoundedJSON"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "accounts.api.schema.Schema",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "accounts.api.problems.problem",
    "NON_FIELD_ERRORS_KEY": "all",
    # A parameter of ours is nobody's way to ask for another format.
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "KeQiao API",
    "DESCRIPTION": _(
        "The two lists of the platform for programs: what pages can do, under the same rules. "
        "Send a token as “Authorization: Bearer kq_…”; you make one on the page “API tokens” of "
        "your settings. Sentences come in the language of Accept-Language (zh-hans or en)."
    ),
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": True,
    "SORT_OPERATION_PARAMETERS": False,
    # What a choice of several fields is called, where its field's name would be another's too.
    "ENUM_NAME_OVERRIDES": {
        "ListingKindEnum": "catalog.models.ListKind",
        "ListingStatusEnum": "catalog.workflow.ListingStatus",
        "ListingDecisionEnum": "catalog.workflow.ListingDecision",
        "PublicationStatusEnum": "catalog.workflow.PublicationStatus",
        "EndReasonEnum": "catalog.workflow.EndReason",
        "CloseStatusEnum": "catalog.api.steps.ENDS",
        "IpKindEnum": "catalog.ip.IpKind",
        "IpStatusEnum": "catalog.ip.IpStatus",
        "OrganizationKindEnum": "accounts.models.OrganizationKind",
        "TierEnum": "catalog.api.serializers.TIERS",
        "SideEnum": "matchmaking.workflow.Side",
    },
}

# --- Language and time ------------------------------------------------------------------------

LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", _("Simplified Chinese")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
# Of visitors; whoever signs in has the language of their account.
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_HTTPONLY = True
TIME_ZONE = "Asia/Shanghai"
USE_TZ = True

# --- Static files -----------------------------------------------------------------------------

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT: Path | None = VAR_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    # What people upload. Only a view that asks who may read leads there.
    "private": env.private_storage(VAR_DIR / "private"),
}
MEDIA_ROOT = VAR_DIR / "media"

# --- Files that people upload -----------------------------------------------------------------

# Of one file, whatever it is for: larger ones are dropped while they arrive.
UPLOAD_BYTES_AT_MOST = 64 * 1024 * 1024
FILE_UPLOAD_HANDLERS = [
    "accounts.files.receiving.BoundedUpload",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]
ATTACHMENT_BYTES = env.integer("ATTACHMENT_MB", 20, minimum=1, maximum=64) * 1024 * 1024
ATTACHMENTS_PER_LISTING = env.integer("ATTACHMENTS_PER_LISTING", 10, minimum=1, maximum=100)
# Of one table to import, and how long its file and rows are kept for the report.
IMPORT_BYTES = env.integer("IMPORT_MB", 20, minimum=1, maximum=64) * 1024 * 1024
IMPORT_MAX_ROWS = env.integer("IMPORT_MAX_ROWS", 20_000, minimum=1, maximum=100_000)
IMPORT_KEEP_DAYS = env.integer("IMPORT_KEEP_DAYS", 30, minimum=1, maximum=3650)
# Rows of one export, and exports of one person in a minute.
EXPORT_MAX_ROWS = env.integer("EXPORT_MAX_ROWS", 5_000, minimum=1, maximum=100_000)
# Lines of the operators' trace in one file.
TRACE_EXPORT_MAX_ROWS = env.integer("TRACE_EXPORT_MAX_ROWS", 100_000, minimum=1)
EXPORTS_PER_MINUTE = env.integer("EXPORTS_PER_MINUTE", 6, minimum=1)
# Of all files of one organization's listings together.
ORGANIZATION_QUOTA_BYTES = env.integer("ORGANIZATION_QUOTA_MB", 1000, minimum=1) * 1024 * 1024
# ClamAV's daemon; VIRUS_SCANNER may name another function, see accounts/files/scanning.py.
CLAMD_ADDRESS = env.text("CLAMD_ADDRESS", "")
VIRUS_SCANNER = env.text(
    "VIRUS_SCANNER", f"accounts.files.scanning.{'clamd' if CLAMD_ADDRESS else 'no_scanner'}"
)
# Seconds that an upload waits for the scanner before the file is held back.
SCAN_SECONDS = 10.0

# --- Security ---------------------------------------------------------------------------------

ALLOWED_HOSTS = env.listing("ALLOWED_HOSTS", [])
CSRF_TRUSTED_ORIGINS = env.listing("CSRF_TRUSTED_ORIGINS", [])
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"
# Keeps what was typed into a listing's form; any other gets the page 403_csrf.html.
CSRF_FAILURE_VIEW = "catalog.views.typed.csrf_failure"
X_FRAME_OPTIONS = "DENY"

# Nothing from elsewhere, nothing inline. `data:` images are the arrows and ticks in Tabler's CSS
# and the QR code of the second factor.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# A listing may be long (200,000 characters are refused with a sentence, not with an empty 400).
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024

# --- E-mail -----------------------------------------------------------------------------------

EMAIL_HOST = env.text("EMAIL_HOST", "localhost")
EMAIL_PORT = env.integer("EMAIL_PORT", 25, minimum=1, maximum=65535)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = env.flag("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "KeQiao <noreply@localhost>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# --- Matching ---------------------------------------------------------------------------------

EMBEDDING_MODEL = env.text("EMBEDDING_MODEL", str(VAR_DIR / "models" / "multilingual-e5-small"))
EMBEDDING_DIMENSION = env.integer("EMBEDDING_DIMENSION", 384, minimum=1, maximum=4000)
MATCH_TOP_K = env.integer("MATCH_TOP_K", 20, minimum=1, maximum=200)
# A pair of less confidence than this (0 to 1) is not worth a manager's time.
MATCH_FLOOR = env.decimal("MATCH_FLOOR", 0.1)
# Stored with each match; raise it when a change of the engine should re-match everything.
ENGINE_VERSION = "3"
# At most this many matches of one demand are with managers at a time, so that every demand has
# its turn.
REVIEWS_PER_DEMAND = env.integer("REVIEWS_PER_DEMAND", 3, minimum=1, maximum=50)
# A ranker is learned from no fewer decisions than these, on no fewer demands that have good and
# less good matches among them.
RANKER_MIN_DECISIONS = env.integer("RANKER_MIN_DECISIONS", 200, minimum=20)
RANKER_MIN_DEMANDS = env.integer("RANKER_MIN_DEMANDS", 30, minimum=10)
# Train once a week if there is more to learn from. Off: whoever looks often enough sees a winner
# by chance some day, so a person should choose when.
RANKER_WEEKLY = env.flag("RANKER_WEEKLY", False)
# Working days that a manager has for a review, and the sides for their answers.
REVIEW_WORKING_DAYS = env.integer("REVIEW_WORKING_DAYS", 3, minimum=1, maximum=60)
CONSENT_WORKING_DAYS = env.integer("CONSENT_WORKING_DAYS", 5, minimum=1, maximum=60)
# Working days in which a listing that was handed in is answered.
PUBLICATION_WORKING_DAYS = env.integer("PUBLICATION_WORKING_DAYS", 2, minimum=1, maximum=60)
# A match worth more than this (in CNY) needs the approval of two managers.
SECOND_REVIEW_ABOVE = env.integer("SECOND_REVIEW_ABOVE", 5_000_000, minimum=0)
# How old the operators' reasons may be in a process; a change is seen there after so many seconds.
REASONS_REFRESH_SECONDS = 5.0
# For how long a decision can be taken back; the sides are told when that is over.
UNDO_MINUTES = 10
# Working days that a side has for a manager's questions.
INQUIRY_WORKING_DAYS = env.integer("INQUIRY_WORKING_DAYS", 3, minimum=1, maximum=60)
# Working days after an introduction when both sides are asked what came of it.
FEEDBACK_WORKING_DAYS = env.integer("FEEDBACK_WORKING_DAYS", 20, minimum=1, maximum=250)
# Working days in which a side may object to a rejection.
APPEAL_DAYS = env.integer("APPEAL_DAYS", 10, minimum=1, maximum=60)
# Holidays, and weekends that are worked, which the calendar of the library does not know yet.
FREE_DAYS = env.days("FREE_DAYS")
MAKE_UP_DAYS = env.days("MAKE_UP_DAYS")
# An evaluation on a machine where no database runs starts one of its own.
EMBEDDED_SERVICES = "config.embedded.Services"
DATABASE_PARSER = "config.env.database"
# How old the counts beside a list may be; the rows are never. See catalog/snapshot.py.
LISTINGS_REFRESH_SECONDS = 1.0
# Searches of one address in a minute; somebody who is logged in has three times as many.
SEARCHES_PER_MINUTE = env.integer("SEARCHES_PER_MINUTE", 60, minimum=1)
# Seconds that a page waits for a query's vector before it falls back to words alone.
QUERY_ENCODE_TIMEOUT = 2.0
# For how long a worker that encodes questions takes the current model to be still the current one.
MODEL_REFRESH_SECONDS = 5.0

# --- Celery -----------------------------------------------------------------------------------

CELERY_BROKER_URL = REDIS_URL
CELERY_RESULT_BACKEND = REDIS_URL
# Seconds. A result is a query's vector that a page waits for; nobody reads it later.
CELERY_RESULT_EXPIRES = 600
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = TIME_ZONE
# A worker that is killed in the middle gives its message back. Tasks are safe to run twice.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Redis hands a message that nobody acknowledged to another worker after this many seconds.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 600,
    "global_keyprefix": "keqiao:",
    "socket_connect_timeout": 2,
    # One that hangs must not hold a page for ever. Workers ask for one second at a time.
    "socket_timeout": 5,
    # Without these a page that sends a task while the broker is away waits 6 seconds for it.
    "max_retries": 1,
    "interval_start": 0.1,
    "interval_step": 0.1,
    "interval_max": 0.2,
}
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {
    "global_keyprefix": "keqiao:",
    "retry_policy": {"timeout": 2.0},
}
CELERY_REDIS_SOCKET_CONNECT_TIMEOUT = 2
CELERY_REDIS_SOCKET_TIMEOUT = 5
# A page that publishes a task while the broker is away must say so soon; the sweep heals it.
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 1,
    "interval_start": 0.1,
    "interval_step": 0.1,
    "interval_max": 0.2,
}
CELERY_TASK_DEFAULT_QUEUE = "default"
# The queues are query, encode, match and default; Celery makes each with an exchange of its name.
CELERY_TASK_ROUTES = {
    "matchmaking.tasks.encode_query": {"queue": "query"},
    "matchmaking.tasks.embed_*": {"queue": "encode"},
    "matchmaking.tasks.explain_*": {"queue": "encode"},
    "matchmaking.tasks.note_*": {"queue": "encode"},
    "matchmaking.tasks.match_*": {"queue": "match"},
}
CELERY_BEAT_SCHEDULE = {
    # `expires`: after a pause of the workers one sweep is enough, not one for each beat missed.
    "sweep": {
        "task": "matchmaking.tasks.sweep",
        "schedule": 15.0,
        "options": {"expires": 15},
    },
    "mails": {
        "task": "accounts.tasks.sweep_mails",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "digests": {
        "task": "accounts.tasks.write_digests",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
    "notifications-tidy": {
        "task": "accounts.tasks.forget_notifications",
        "schedule": 86_400.0,
        "options": {"expires": 3600},
    },
    "reminders": {
        "task": "catalog.tasks.remind_owners",
        "schedule": 600.0,
        "options": {"expires": 600},
    },
    "searches": {
        "task": "catalog.tasks.look_again",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
    "typed": {
        "task": "catalog.tasks.forget_typed",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "attachments": {
        "task": "catalog.tasks.sweep_attachments",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "duplicates": {
        "task": "catalog.tasks.sign_listings",
        "schedule": 30.0,
        "options": {"expires": 30},
    },
    "evidence": {
        "task": "accounts.tasks.sweep_evidence",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "evidence-tidy": {
        "task": "accounts.tasks.tidy_evidence",
        "schedule": 86_400.0,
        "options": {"expires": 3600},
    },
    # Once a day each: files of an upload that was cut off are in nobody's way.
    "attachments-tidy": {
        "task": "catalog.tasks.tidy_attachments",
        "schedule": 86_400.0,
        "options": {"expires": 3600},
    },
    "imports": {
        "task": "catalog.tasks.sweep_imports",
        "schedule": 20.0,
        "options": {"expires": 20},
    },
    "imports-tidy": {
        "task": "catalog.tasks.remove_old_imports",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    # Every hour, so that a day on which beat stood still is made up for.
    "certificates": {
        "task": "accounts.tasks.watch_certificates",
        "schedule": crontab(minute=5),
        "options": {"expires": 3600},
    },
    "stars": {
        "task": "matchmaking.tasks.compute_stars",
        "schedule": crontab(minute=40, hour=2),
        "options": {"expires": 6 * 3600},
    },
    "ranker": {
        "task": "matchmaking.tasks.train_ranker",
        "schedule": crontab(minute=20, hour=3, day_of_week="sunday"),
        "options": {"expires": 6 * 3600},
    },
    # A change of a manager is acted on at once; this finds what a lost message leaves.
    "desks": {
        "task": "matchmaking.tasks.tidy_desks",
        "schedule": 1800.0,
        "options": {"expires": 600},
    },
    "clocks": {
        "task": "matchmaking.tasks.run_clocks",
        "schedule": 600.0,
        "options": {"expires": 600},
    },
}
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")

# --- Logging ----------------------------------------------------------------------------------

LOG_LEVEL = env.text("LOG_LEVEL", "INFO").upper()
LOGGING = logging_settings(json=False, level=LOG_LEVEL)
