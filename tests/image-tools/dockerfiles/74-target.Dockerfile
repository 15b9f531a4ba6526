FROM localhost/base AS one
RUN echo one >/one
ENV STAGE=one
FROM one AS two
RUN echo two >/two
ENV STAGE=two
FROM two
RUN echo three >/three
#: --target two
