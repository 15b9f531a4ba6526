FROM localhost/base
RUN mkdir /d && echo a >/d/a
RUN rm -r /d && mkdir /d && echo b >/d/b
RUN rm -r /d && echo file >/d
