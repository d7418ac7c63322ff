package address

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, test := range []struct{ url, want string }{
		{"http://ocsp.example", "http://ocsp.example:80"},
		{"http://ocsp.example/", "http://ocsp.example:80"},
		{"HTTP://OCSP.Example:80/a/b?c=d#e", "http://ocsp.example:80"},
		{"http://ocsp.example:/a", "http://ocsp.example:80"},
		{"https://ocsp.example", "https://ocsp.example:443"},
		{"https://ocsp.example:80", "https://ocsp.example:80"},
		{"http://ocsp.example.:8080", "http://ocsp.example.:8080"},
		{"http://ocsp_1.example", "http://ocsp_1.example:80"},
		{"http://localhost:65535", "http://localhost:65535"},
		{"http://3com.1x", "http://3com.1x:80"},
		{"http://1.example", "http://1.example:80"},
		{"http://192.0.2.1", "http://192.0.2.1:80"},
		{"http://[2001:DB8:0:0::1]", "http://[2001:db8::1]:80"},
		{"http://[2001:db8::1]:80/", "http://[2001:db8::1]:80"},
		{"http://[::ffff:192.0.2.1]", "http://192.0.2.1:80"},
		{"http://a.example/?" + strings.Repeat("q", maxURL-18), "http://a.example:80"},
	} {
		got, err := Parse(test.url)
		if err != nil || got.Address.String() != test.want {
			t.Errorf("%.60s: got %v, %v, want %s", test.url, got, err, test.want)
		}
	}
}

// badAddresses are refused by their spelling.
var badAddresses = []struct{ name, url string }{
	{"empty", ""},
	{"no scheme", "ocsp.example"},
	{"no scheme but slashes", "//ocsp.example/"},
	{"path alone", "/a"},
	{"ldap", "ldap://ldap.example/cn=ca"},
	{"file", "file:///etc/passwd"},
	{"ftp", "ftp://ftp.example/ca.crl"},
	{"unix", "unix:/run/docker.sock"},
	{"gopher", "gopher://a.example:6379/_x"},
	{"data", "data:text/plain,x"},
	{"opaque", "http:ocsp.example"},
	{"no host", "http:///a"},
	{"port alone", "http://:80/"},
	{"user", "http://user@ocsp.example/"},
	{"user and password", "http://user:secret@ocsp.example/"},
	{"empty user", "http://@ocsp.example/"},
	{"port 0", "http://ocsp.example:0/"},
	{"port too large", "http://ocsp.example:65536/"},
	{"port of another kind", "http://ocsp.example:http/"},
	{"two ports", "http://ocsp.example:80:80/"},
	{"negative port", "http://ocsp.example:-80/"},
	{"space in the host", "http://ocsp example/"},
	{"line break", "http://ocsp.example/\r\nX: y"},
	{"NUL", "http://ocsp.example/\x00"},
	{"not ASCII", "http://ocsp.ex\u00e4mple/"},
	{"wide digits", "http://\uff11\uff16\uff19.254.169.254/"},
	{"escaped host", "http://%6fcsp.example/"},
	{"backslash", `http://ocsp.example\@169.254.169.254/`},
	{"bad escape", "http://ocsp.example/%zz"},
	{"too long", "http://a.example/?" + strings.Repeat("q", maxURL-17)},
	{"name too long", "http://" + strings.Repeat("a.", 127) + "a/"},
	{"dot", "http://./"},
	{"empty label", "http://ocsp..example/"},
	{"dot before", "http://.example/"},
	{"asterisk", "http://*.example/"},
	{"decimal IPv4", "http://2852039166/"},
	{"hexadecimal IPv4", "http://0xa9fea9fe/"},
	{"dotted hexadecimal IPv4", "http://0xa9.0xfe.0xa9.0xfe/"},
	{"octal IPv4", "http://0251.0376.0251.0376/"},
	{"IPv4 with a leading zero", "http://169.254.169.0254/"},
	{"short IPv4", "http://127.1/"},
	{"long IPv4", "http://1.2.3.4.5/"},
	{"IPv4 with a dot after", "http://169.254.169.254./"},
	{"empty hexadecimal", "http://127.0.0.0x/"},
	{"name that ends in a number", "http://ocsp.example.1/"},
	{"IPv6 without brackets", "http://::1/"},
	{"IPv6 with a zone", "http://[fe80::1%25eth0]/"},
	{"mapped IPv4 with a zone", "http://[::ffff:127.0.0.1%25lo]/"},
	{"IPvFuture", "http://[v1.a]/"},
	{"name in brackets", "http://[ocsp.example]/"},
	{"IPv4 in brackets", "http://[127.0.0.1]/"},
}

func TestBadAddresses(t *testing.T) {
	for _, test := range badAddresses {
		t.Run(test.name, func(t *testing.T) {
			if u, err := Parse(test.url); err == nil || u != (URL{}) {
				t.Errorf("got %v, %v", u, err)
			}
		})
	}
}

// TestNormalForm compares URLs as RFC 3986, sections 6.2.2 and 6.2.3, has it.
func TestNormalForm(t *testing.T) {
	for _, test := range []struct{ url, want string }{
		{"http://crl.example", "http://crl.example/"},
		{"HTTP://CRL.example:80/a.crl#f", "http://crl.example/a.crl"},
		{"https://crl.example:443/", "https://crl.example/"},
		{"https://crl.example:80/", "https://crl.example:80/"},
		{"http://crl.example/%61%2f%7e", "http://crl.example/a%2F~"},
		{"http://crl.example/a/./b/../c.crl", "http://crl.example/a/c.crl"},
		{"http://crl.example/a/..", "http://crl.example/"},
		{"http://crl.example/a//b/", "http://crl.example/a//b/"},
		{"http://crl.example/a//../b", "http://crl.example/a/b"},
		{"http://crl.example/My CA (1)+.crl", "http://crl.example/My%20CA%20(1)+.crl"},
		{"http://crl.example/My%20CA.crl", "http://crl.example/My%20CA.crl"},
		{" http://crl.example/a ", "http://crl.example/a"},
		{"http://crl.example/?q=a b%6a", "http://crl.example/?q=a%20bj"},
		{"http://crl.example?", "http://crl.example/?"},
		{"http://[2001:DB8::1]:80/", "http://[2001:db8::1]/"},
	} {
		t.Run(test.url, func(t *testing.T) {
			u, err := Parse(test.url)
			if err != nil || u.String() != test.want {
				t.Errorf("got %v, %v, want %s", u, err, test.want)
			}
			if again, err := Parse(u.String()); err != nil || again != u {
				t.Errorf("read again: %v, %v", again, err)
			}
			if !Equal(test.url, test.want) || Equal(test.url, test.want+"x") {
				t.Error("Equal sees it otherwise")
			}
		})
	}
	if !Equal("ldap://a", "ldap://a") || Equal("ldap://a", "LDAP://a") {
		t.Error("Equal of URIs that are not read")
	}
}

// TestBadAddressSecret: an error goes to the log, and the address may hold what
// should not.
func TestBadAddressSecret(t *testing.T) {
	for _, url := range []string{"http://user:secret@ocsp.example/", "http://user:secret@ocsp.example:x/", "http://ocsp.example/%zz?secret"} {
		if _, err := Parse(url); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v", url, err)
		}
	}
}

// FuzzParse: what is accepted is equal to itself when it is read again, and
// leads to where a plain reading of it says.
func FuzzParse(f *testing.F) {
	for _, test := range badAddresses {
		f.Add(test.url)
	}
	for _, url := range []string{"http://[::ffff:1.2.3.4]:8080/a?b#c", "HTTPS://A.example.:/"} {
		f.Add(url)
	}
	f.Add("http://a.example?" + strings.Repeat("q", maxURL-len("http://a.example?"))) // too long with the / in it
	f.Fuzz(func(t *testing.T, url string) {
		a, err := Parse(url)
		if err != nil {
			if a != (URL{}) {
				t.Errorf("got %v with %v", a, err)
			}
			return
		}
		if again, err := Parse(a.String()); len(a.String()) <= maxURL && (err != nil || again != a) {
			t.Errorf("%q: read %v, then %v, %v", url, a, again, err)
		}
		if strings.ContainsAny(a.Host, "@/\\%?# []") || a.Host == "" || a.Port == 0 || a.Host != strings.ToLower(a.Host) {
			t.Errorf("%q: got %+v", url, a)
		}
	})
}
