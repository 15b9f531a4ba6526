FROM localhost/base
RUN --mount=type=bind,source=dir,target=/mnt cat /mnt/a.txt >/copy
RUN --mount=type=bind,source=plain.txt,target=/one.txt cat /one.txt >/copy2
