/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: days since 1970 to a date of the Gregorian calendar, by
 * counting from 1 March of the year 0: leap days are then at the end of a year,
 * and the months have lengths that (153 m + 2) / 5 gives.
 */
#include "base/clock.h"

#include <stdint.h>
#include <stdio.h>
#include <time.h>

const char *clock_rfc3339(char buf[static CLOCK_RFC3339_SIZE])
{
	struct timespec now;
	int64_t days, rest;
	unsigned int era_day, year_of_era, year_day, month, day;
	int64_t era, year;

	clock_gettime(CLOCK_REALTIME, &now);
	days = now.tv_sec / 86400 + 719468;
	rest = now.tv_sec % 86400;
	era = days / 146097;
	era_day = (unsigned int)(days - era * 146097);
	year_of_era = (era_day - era_day / 1460 + era_day / 36524 - era_day / 146096) / 365;
	year_day = era_day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	month = (5 * year_day + 2) / 153;
	day = year_day - (153 * month + 2) / 5 + 1;
	month = month < 10 ? month + 3 : month - 9;
	year = (int64_t)year_of_era + era * 400 + (month <= 2);
	snprintf(buf, CLOCK_RFC3339_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%09uZ", (unsigned int)year % 10000, month, day,
		(unsigned int)(rest / 3600), (unsigned int)(rest / 60 % 60), (unsigned int)(rest % 60),
		(unsigned int)now.tv_nsec % 1000000000u);
	return buf;
}
