package fakekong

import (
	"net/url"
	"strings"
)

// maxArgs is how many arguments of a query Kong reads unless it is told
// otherwise; what comes after is not seen.
const maxArgs = 100

// arg is one name of a query string. Without = it has no value: Lua gets true.
type arg struct {
	name, value string
	bare        bool
}

// queryArgs reads a query string as ngx.req.get_uri_args does, which takes any.
func queryArgs(query string) []arg {
	var out []arg
	for part := range strings.SplitSeq(query, "&") {
		name, value, has := strings.Cut(part, "=")
		if name == "" {
			continue
		}
		if len(out) == maxArgs {
			break
		}
		out = append(out, arg{unescape(name), unescape(value), !has})
	}
	return out
}

// withoutArg is a query string with every argument of a name taken out. Kong
// writes it anew, all of it (Ada's URLSearchParams): also what it does not take
// out comes back in another spelling.
func withoutArg(query, name string) string {
	var out []string
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		key, value, _ := strings.Cut(part, "=")
		if key = unescape(key); key != name {
			out = append(out, formEscape(key)+"="+formEscape(unescape(value)))
		}
	}
	return strings.Join(out, "&")
}

// formEscape differs from url.QueryEscape in two characters.
func formEscape(s string) string {
	return strings.NewReplacer("~", "%7E", "%2A", "*").Replace(url.QueryEscape(s))
}

// unescape is ngx.unescape_uri: + is a space, and a % that is none stays.
func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '+' {
			c = ' '
		} else if c == '%' && i+2 < len(s) {
			high, ok1 := hexDigit(s[i+1])
			low, ok2 := hexDigit(s[i+2])
			if ok1 && ok2 {
				c = high<<4 | low
				i += 2
			}
		}
		b.WriteByte(c)
	}
	return b.String()
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}
