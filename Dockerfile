# The operator's image: one process, no shell, no package manager, a numeric user that is not root.
#
# `make image` builds it without any registry: it makes dist/image/app.tar (the bundled operator) and a base of libc,
# libstdc++, jemalloc and Node. With a registry at hand, any image that has Node 24 on its PATH can be the base; without
# jemalloc it takes more memory:
#   docker build --build-arg BASE=node:24-bookworm-slim --file Dockerfile dist/image
ARG BASE
FROM ${BASE}
ARG VERSION=0.0.0
LABEL org.opencontainers.image.title="quorate" \
      org.opencontainers.image.description="A Kubernetes operator that runs etcd clusters as custom resources" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
ADD app.tar /
# Half of what a Node process holds is there for speed that one that mostly waits does not need. The base loads jemalloc,
# which gives free memory back; the young generation of the heap does not grow to 16 MB with the first burst of work; code
# is interpreted, compiled without optimization once it is called often, and dropped when it is not called any more. The
# program itself has garbage collected where V8 would only do so because there is time, and none is collected for the first
# time while it starts.
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin NODE_ENV=production \
    MALLOC_CONF=narenas:1,dirty_decay_ms:10,muzzy_decay_ms:0
WORKDIR /app
USER 65532:65532
ENTRYPOINT ["node", "--expose-gc", "--single-threaded-gc", "--v8-pool-size=0", "--no-memory-reducer", \
    "--initial-old-space-size=32", "--max-semi-space-size=1", "--max-opt=1", \
    "--invocation-count-for-feedback-allocation=64", "--flush-baseline-code", "--bytecode-old-age=2", "/app/quorate.mjs"]
CMD ["operator"]
