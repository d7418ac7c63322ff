package fakekong

import (
	"net/http"
	"slices"
	"strings"
)

// match is a route that was found, with the path of it that fitted.
type match struct {
	route *route
	path  string
}

// find returns the route for a request: one that asks for more (hosts, methods,
// paths, snis) before one that asks for less, then the longest path, then the
// one that comes first. nil when none fits.
func (c *config) find(r *http.Request, host, sni string) *match {
	var best *match
	score := -1
	for _, route := range c.routes {
		path, ok := route.fits(r, host, sni)
		if !ok {
			continue
		}
		if s := route.attributes()*1_000_000 + len(path); s > score {
			best, score = &match{route, path}, s
		}
	}
	return best
}

func (rt *route) attributes() int {
	n := 0
	for _, list := range [][]string{rt.hosts, rt.methods, rt.paths, rt.snis} {
		if len(list) > 0 {
			n++
		}
	}
	return n
}

func (rt *route) fits(r *http.Request, host, sni string) (string, bool) {
	switch {
	case !rt.speaks(map[bool]string{false: "http", true: "https"}[r.TLS != nil]),
		len(rt.methods) > 0 && !slices.Contains(rt.methods, r.Method),
		len(rt.hosts) > 0 && !slices.Contains(rt.hosts, strings.ToLower(host)),
		len(rt.snis) > 0 && r.TLS != nil && !slices.Contains(rt.snis, sni):
		return "", false
	}
	longest, found := "", len(rt.paths) == 0
	for _, p := range rt.paths {
		if strings.HasPrefix(r.URL.Path, p) && len(p) >= len(longest) {
			longest, found = p, true
		}
	}
	return longest, found
}

// speaks says whether the route takes http or https (a gRPC one takes its
// transport).
func (rt *route) speaks(scheme string) bool {
	return slices.Contains(rt.protocols, scheme) || slices.Contains(rt.protocols, strings.Replace(scheme, "http", "grpc", 1))
}

// pluginsFor returns the plugins that run for a route, in their order: of each
// name the one that is most specific.
func (c *config) pluginsFor(rt *route) []*plugin {
	best := map[string]int{}
	for _, p := range c.plugins {
		if s := p.specificity(rt); s > best[p.name] {
			best[p.name] = s
		}
	}
	var out []*plugin
	for _, p := range c.plugins {
		if s := p.specificity(rt); s > 0 && s == best[p.name] {
			out = append(out, p)
		}
	}
	return out
}

// specificity is 0 for a plugin that does not run for the route.
func (p *plugin) specificity(rt *route) int {
	switch {
	case !p.enabled, p.route != nil && p.route != rt, p.service != nil && p.service != rt.service:
		return 0
	case p.route != nil:
		return 3
	case p.service != nil:
		return 2
	}
	return 1
}
