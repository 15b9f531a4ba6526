FROM localhost/base
RUN --mount=type=cache,target=/c echo cached >/c/file && echo a >/a
RUN --mount=type=cache,target=/c cat /c/file >/b
