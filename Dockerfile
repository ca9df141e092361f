# The gateway alone, in two stages: what builds is not in what runs.
FROM python:3.11.13-slim-bookworm AS build
WORKDIR /build
RUN python -m venv /opt/envgw
COPY requirements.lock ./
RUN /opt/envgw/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY devices devices
COPY rules rules
COPY gateway gateway
COPY dashboards dashboards
RUN /opt/envgw/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation .

FROM python:3.11.13-slim-bookworm
ENV PATH=/opt/envgw/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin envgw && install --directory --owner envgw --group envgw /data
COPY --from=build /opt/envgw /opt/envgw
USER 10001:10001
VOLUME /data
EXPOSE 8080
# Alive, not ready: a gateway whose history is away is red at /readyz, and restarting it would not help.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=3)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["envgw"]
CMD ["run", "--config", "/etc/envgw/envgw.yaml"]
