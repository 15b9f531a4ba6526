FROM localhost/base
RUN mkdir -p /t/sub && echo old >/t/one && echo kept >/t/sub/kept
ADD archive.tar /t
