FROM localhost/base
ADD text.gz /
COPY archive.tar /kept.tar
