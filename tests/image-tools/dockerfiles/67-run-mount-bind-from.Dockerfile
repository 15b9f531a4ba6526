FROM localhost/base AS other
RUN echo from-other >/o
FROM localhost/base
RUN --mount=type=bind,from=other,source=/o,target=/in cat /in >/out
