# escape=`
FROM localhost/base
RUN echo one `
    two >/x
ENV P=C:\dir\file
