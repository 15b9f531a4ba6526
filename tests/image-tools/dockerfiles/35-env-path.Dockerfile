FROM localhost/base
ENV PATH=/opt/bin:$PATH HOME2=${HOME}
