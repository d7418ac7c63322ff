package der

import (
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// civil is an instant taken apart, in UTC.
type civil struct{ year, month, day, hour, minute, second int }

// ReadTime reads a Time in UTC and with seconds: UTCTime of the years 1950 to
// 2049, or GeneralizedTime of any year. RFC 5280 forbids fractions of a second,
// which programs in use write nevertheless: they are read, and left out.
func ReadTime(s *cryptobyte.String) (time.Time, bool) {
	c, ok := read(s)
	if !ok {
		return time.Time{}, false
	}
	return time.Date(c.year, time.Month(c.month), c.day, c.hour, c.minute, c.second, 0, time.UTC), true
}

// SkipTime reads a Time that does not matter.
func SkipTime(s *cryptobyte.String) bool {
	_, ok := read(s)
	return ok
}

// read is written out because time.Parse, once for each entry of a CRL, would
// take longer than all the rest.
func read(s *cryptobyte.String) (civil, bool) {
	var text cryptobyte.String
	var tag asn1.Tag
	if !s.ReadAnyASN1(&text, &tag) {
		return civil{}, false
	}
	var c civil
	switch {
	case tag == asn1.UTCTime && len(text) == 13:
		c.year = 1900 + twoDigits(text)
		if c.year < 1950 {
			c.year += 100
		}
		text = text[2:]
	case tag == asn1.GeneralizedTime && len(text) >= 15:
		c.year = 100*twoDigits(text) + twoDigits(text[2:])
		text = text[4:]
	default:
		return civil{}, false
	}
	c.month, c.day = twoDigits(text), twoDigits(text[2:])
	c.hour, c.minute, c.second = twoDigits(text[4:]), twoDigits(text[6:]), twoDigits(text[8:])
	if c.year < 0 || c.month < 1 || c.month > 12 || c.day < 1 || c.day > daysIn(c.year, c.month) ||
		c.hour < 0 || c.hour > 23 || c.minute < 0 || c.minute > 59 || c.second < 0 || c.second > 59 || !endsSecond(text[10:]) {
		return civil{}, false
	}
	return c, true
}

// endsSecond reports a Z, or a fraction of a second and a Z.
func endsSecond(text []byte) bool {
	if text[0] == '.' || text[0] == ',' {
		digits := 1
		for digits < len(text) && '0' <= text[digits] && text[digits] <= '9' {
			digits++
		}
		if digits == 1 {
			return false
		}
		text = text[digits:]
	}
	return string(text) == "Z"
}

// twoDigits returns, for what is not two digits, a number that makes any year,
// month or hour negative.
func twoDigits(text []byte) int {
	tens, ones := text[0]-'0', text[1]-'0'
	if tens > 9 || ones > 9 {
		return -100000
	}
	return int(tens)*10 + int(ones)
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
	}
	return 31
}
