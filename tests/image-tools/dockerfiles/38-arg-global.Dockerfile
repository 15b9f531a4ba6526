ARG BASE=localhost/base
ARG NAME=global
FROM $BASE AS one
ARG NAME
RUN echo "$NAME" >/name
FROM ${BASE}
RUN echo "[$NAME]" >/name
COPY --from=one /name /name-one
