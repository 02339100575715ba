# syntax=docker/dockerfile:1
# Three images from one file:
#   web      gunicorn, beat and the worker of match,default: no torch
#   encoder  the worker that holds the language model
# Both run as a user without rights, from a folder they cannot write to, except var/.

FROM python:3.11-slim-bookworm AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY requirements/ /tmp/requirements/
RUN pip install -r /tmp/requirements/base.txt -c /tmp/requirements/constraints.txt

FROM packages AS packages-ml
# Give the address of the CPU wheels, where your index has CUDA builds: they are 2 GB smaller.
ARG TORCH_INDEX=""
RUN pip install ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} \
        -r /tmp/requirements/ml.txt -c /tmp/requirements/constraints.txt

FROM node:22-bookworm-slim AS assets
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY scripts/ scripts/
COPY static/ static/
RUN npm run build

# The source with translations compiled and static files hashed and compressed.
FROM packages AS source
WORKDIR /app
RUN pip install Babel -c /tmp/requirements/constraints.txt
COPY manage.py ./
COPY config/ config/
COPY accounts/ accounts/
COPY catalog/ catalog/
COPY matchmaking/ matchmaking/
COPY templates/ templates/
COPY locale/ locale/
COPY --from=assets /build/static/ static/
RUN for folder in locale */locale; do pybabel compile -q -D django -d "$folder" || exit 1; done
# These values are of this step alone; the running container gets its own, or does not start.
RUN SECRET_KEY=build-step DATABASE_URL=postgres://none/none REDIS_URL=redis://none \
    DJANGO_SETTINGS_MODULE=config.settings.prod python manage.py collectstatic --no-input -v 0

FROM packages-ml AS model
WORKDIR /app
COPY --from=source /app /app
RUN SECRET_KEY=build-step DATABASE_URL=postgres://none/none REDIS_URL=redis://none \
    DJANGO_SETTINGS_MODULE=config.settings.prod python manage.py prepare_model

FROM python:3.11-slim-bookworm AS runtime
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    PATH=/opt/venv/bin:$PATH \
    DJANGO_SETTINGS_MODULE=config.settings.prod
RUN groupadd --system --gid 10001 keqiao \
    && useradd --system --uid 10001 --gid keqiao --home-dir /app --no-create-home keqiao
# The runtime library of OpenMP: LightGBM, torch and OpenVINO's frontends link to it.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app

FROM runtime AS encoder
COPY --from=packages-ml /opt/venv /opt/venv
COPY --from=source /app /app
COPY --from=model /app/var/models /app/var/models
RUN mkdir -p var/private && chown -R keqiao:keqiao var
USER keqiao
CMD ["celery", "--quiet", "-A", "config", "worker", "-Q", "query,encode", "--pool=threads", "--concurrency=2", "-n", "encode@%h", "--without-gossip", "--without-mingle", "--loglevel=INFO"]

FROM runtime AS web
# For the reports' PDF: Pango sets the text, HarfBuzz cuts the fonts that go into the file.
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-noto-cjk \
    && rm -rf /var/lib/apt/lists/*
COPY --from=packages /opt/venv /opt/venv
COPY --from=source /app /app
# What the model is (name, revision, dimension) must be known here too; its weights need not.
COPY --from=model /app/var/models /app/var/models
RUN mkdir -p var/private && chown -R keqiao:keqiao var
USER keqiao
EXPOSE 8000
CMD ["gunicorn", "config.wsgi", "--bind", "0.0.0.0:8000", "--workers", "2", "--worker-class", "gthread", "--threads", "4", "--preload", "--no-control-socket", "--timeout", "60", "--max-requests", "5000", "--max-requests-jitter", "500"]
