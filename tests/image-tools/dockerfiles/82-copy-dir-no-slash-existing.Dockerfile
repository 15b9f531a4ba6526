FROM localhost/base
RUN mkdir /x && chmod 700 /x
COPY plain.txt other.txt /x
COPY dir /x
