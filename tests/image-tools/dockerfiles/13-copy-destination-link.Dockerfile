FROM localhost/base
RUN mkdir -p /real && ln -s /real /alias && ln -s real /relative
COPY plain.txt /alias/
COPY script.sh /relative/deep/
