FROM localhost/base
ENV KEY a value with   blanks
ENV OTHER = x
RUN echo "$KEY" >/env
