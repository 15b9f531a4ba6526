FROM localhost/base
COPY dir /target
COPY dir/ /other/
