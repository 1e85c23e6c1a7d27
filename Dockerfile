# kms-scan as an image: no root, no shell needed to start it, one writable folder.
#   docker build -t kms-scan:0.1.0 .
#   docker run --rm --read-only --cap-drop ALL --security-opt no-new-privileges -v "$PWD/out:/data" kms-scan:0.1.0 --version
# docs/sharding.md runs it on Amazon ECS. Pin the base image by its digest in your registry.

FROM python:3.11.13-slim-bookworm AS build
WORKDIR /src
COPY requirements.lock pyproject.toml README.md LICENSE config.example.yaml ./
COPY scanner ./scanner
COPY reports ./reports
RUN ["python", "-m", "venv", "/opt/kms-scan"]
RUN ["/opt/kms-scan/bin/pip", "install", "--no-cache-dir", "--constraint", "requirements.lock", "."]

FROM python:3.11.13-slim-bookworm
COPY --from=build /opt/kms-scan /opt/kms-scan
RUN ["install", "-d", "-m", "0700", "-o", "65532", "-g", "65532", "/data"]
# The root file system may be read-only: nothing is written but below /data.
ENV PYTHONDONTWRITEBYTECODE=1 \
    HOME=/data \
    TMPDIR=/data
USER 65532:65532
WORKDIR /data
VOLUME ["/data"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/opt/kms-scan/bin/kms-scan"]
CMD ["--help"]
