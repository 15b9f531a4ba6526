FROM localhost/base
SHELL ["/bin/sh", "-e", "-c"]
RUN echo one >/one; true
CMD echo with shell
