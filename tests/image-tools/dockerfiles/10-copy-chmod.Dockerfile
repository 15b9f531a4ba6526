FROM localhost/base
COPY --chmod=0640 plain.txt /a
COPY --chmod=755 script.sh plain.txt /b/
