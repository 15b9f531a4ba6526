dnl OCI_TRY_CFLAGS(FLAGS): add each flag that the compiler knows to OCI_CFLAGS.
AC_DEFUN([OCI_TRY_CFLAGS], [
for oci_flag in $1; do
	oci_saved_cflags=$CFLAGS
	CFLAGS="$CFLAGS -Werror $oci_flag"
	AC_MSG_CHECKING([whether $CC accepts $oci_flag])
	AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
		[AC_MSG_RESULT([yes]); OCI_CFLAGS="$OCI_CFLAGS $oci_flag"],
		[AC_MSG_RESULT([no])])
	CFLAGS=$oci_saved_cflags
done
])

dnl OCI_LIBRARY(NAME, MODULE, ARCHIVE): NAME_CFLAGS and NAME_LIBS.
AC_DEFUN([OCI_LIBRARY], [
PKG_CHECK_MODULES([$1], [$2])
AS_IF([test "x$enable_static_deps" = xyes], [
	oci_saved_libs=$LIBS
	LIBS="-l:lib$3.a $LIBS"
	AC_MSG_CHECKING([for the static archive lib$3.a])
	AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
		[AC_MSG_RESULT([yes]); $1_LIBS="-l:lib$3.a"],
		[AC_MSG_RESULT([no])])
	LIBS=$oci_saved_libs
])
])
