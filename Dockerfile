# carmask serve on processors: the model is inside, the process is not root, the file system may be read-only.
FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE* NOTICE* ./
COPY src ./src
COPY examples ./examples
RUN python -m venv /carmask && /carmask/bin/pip install --no-cache-dir '.[serve,heif]'

FROM python:3.12-slim
COPY --from=build /carmask /carmask
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin carmask \
    && install -d -o carmask -g carmask /state
USER 10001
ENV PATH=/carmask/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
VOLUME /state
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD python -c "import urllib.request as r; r.urlopen('http://localhost:8000/healthz', timeout=4)"
# CARMASK_TOKEN must be set: without it a new token is made at every start, and stands in the log.
ENTRYPOINT ["carmask", "serve", "--host", "0.0.0.0", "--port", "8000", "--state", "/state"]
