package format

import (
	"errors"
	"regexp"
	"strings"
	"time"
)

var errTime = errors.New("is not a valid time of RFC 3339")

// number reads the given number of digits from the beginning of a string.
func number(text string, digits int) (n int, rest string, ok bool) {
	if leadingDigits(text) < digits {
		return 0, text, false
	}
	for i := range digits {
		n = 10*n + int(text[i]-'0')
	}
	return n, text[digits:], true
}

// after returns the string without its first character, which must be one of the
// separators.
func after(text, separators string) (string, bool) {
	if text == "" || !strings.Contains(separators, text[:1]) {
		return text, false
	}
	return text[1:], true
}

// date checks full-date of RFC 3339.
func date(text string) error {
	year, rest, okYear := number(text, 4)
	rest, okFirst := after(rest, "-")
	month, rest, okMonth := number(rest, 2)
	rest, okSecond := after(rest, "-")
	day, rest, okDay := number(rest, 2)
	if !okYear || !okFirst || !okMonth || !okSecond || !okDay || rest != "" {
		return errors.New("is not written as YYYY-MM-DD")
	}
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return errors.New("is not a day of the calendar")
	}
	return nil
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	default:
		return 31
	}
}

// clock checks full-time of RFC 3339. A leap second is valid only as the last second of a
// day in UTC.
func clock(text string) error {
	hour, minute, rest, ok := hourAndMinute(text)
	rest, colon := after(rest, ":")
	second, rest, okSecond := number(rest, 2)
	if !ok || !colon || !okSecond || second > 60 {
		return errTime
	}
	if fraction, found := after(rest, "."); found {
		digits := leadingDigits(fraction)
		if digits == 0 {
			return errTime
		}
		rest = fraction[digits:]
	}
	offset := 0
	if zulu, found := after(rest, "Zz"); found {
		rest = zulu
	} else {
		sign := 1
		if strings.HasPrefix(rest, "-") {
			sign = -1
		}
		signed, found := after(rest, "+-")
		hours, minutes, end, ok := hourAndMinute(signed)
		if !found || !ok {
			return errTime
		}
		offset, rest = sign*(60*hours+minutes), end
	}
	const day = 24 * 60
	switch utc := (60*hour + minute - offset + day) % day; {
	case rest != "":
		return errTime
	case second == 60 && utc != day-1:
		return errors.New("has a leap second that is not at the end of a day")
	default:
		return nil
	}
}

func hourAndMinute(text string) (hour, minute int, rest string, ok bool) {
	hour, rest, okHour := number(text, 2)
	rest, colon := after(rest, ":")
	minute, rest, okMinute := number(rest, 2)
	return hour, minute, rest, okHour && colon && okMinute && hour <= 23 && minute <= 59
}

// dateTime checks date-time of RFC 3339.
func dateTime(text string) error {
	const dateLength = len(time.DateOnly)
	if len(text) <= dateLength || text[dateLength] != 'T' && text[dateLength] != 't' {
		return errors.New("is not written as a date, T and a time")
	}
	if err := date(text[:dateLength]); err != nil {
		return err
	}
	return clock(text[dateLength+1:])
}

// A duration must not omit a unit between its largest and its smallest unit (RFC 3339,
// appendix A).
var durations = regexp.MustCompile(`^P(\d+W|(\d+Y(\d+M(\d+D)?)?|\d+M(\d+D)?|\d+D)(T(\d+H(\d+M(\d+S)?)?|\d+M(\d+S)?|\d+S))?|T(\d+H(\d+M(\d+S)?)?|\d+M(\d+S)?|\d+S))$`)

func duration(text string) error {
	if !durations.MatchString(text) {
		return errors.New("is not a valid duration of RFC 3339")
	}
	return nil
}

// period checks a start and an end, separated by a slash. One of the two may be a duration.
func period(text string) error {
	start, end, found := strings.Cut(text, "/")
	if !found {
		return errors.New("lacks a slash between a start and an end")
	}
	if strings.HasPrefix(start, "P") {
		return errors.Join(duration(start), dateTime(end))
	}
	if strings.HasPrefix(end, "P") {
		return errors.Join(dateTime(start), duration(end))
	}
	return errors.Join(dateTime(start), dateTime(end))
}
