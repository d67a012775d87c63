# docker build -t synthgen .                                            CPU: as `make install`
# docker build -t synthgen --build-arg KIND=gpu .                       GPU: run with --gpus all (driver 580 or newer)
# docker run --rm -v "$PWD/runs:/app/runs" synthgen synthgen tasks
FROM python:3.11-slim
ARG KIND=cpu
RUN apt-get update && apt-get install -y --no-install-recommends g++ git && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY . .
RUN SYNTHGEN_INSTALL=$KIND PYTHON=python3 bash .ci/install /opt/venv && rm -rf /root/.cache
ENV PATH=/opt/venv/bin:$PATH
CMD ["synthgen", "--help"]
