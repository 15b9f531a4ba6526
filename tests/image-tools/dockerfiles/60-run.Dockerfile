FROM localhost/base
RUN echo one >/one && mkdir -p /d/e && chmod 700 /d/e && ln -s one /link
RUN ["/bin/sh", "-c", "echo \"exec form\" >/two"]
RUN echo three > /three
