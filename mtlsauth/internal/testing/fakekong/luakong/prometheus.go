package luakong

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	lua "github.com/yuin/gopher-lua"
)

// registry is that of Kong's prometheus plugin, common to all workers.
type registry struct {
	mu      sync.Mutex
	metrics map[string]*sampled
}

// sampled is a metric. Samples have their labels as Prometheus' text has them.
type sampled struct {
	kind, help string
	labels     []string
	buckets    []float64
	samples    map[string]float64
}

// Exposition returns what GET /metrics tells of the registry, in Prometheus' text format.
func (s *Shared) Exposition() string {
	r := &s.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(r.metrics)) {
		m := r.metrics[name]
		fmt.Fprintf(&b, "# HELP kong_%s %s\n# TYPE kong_%s %s\n", name, m.help, name, m.kind)
		for _, sample := range slices.Sorted(maps.Keys(m.samples)) {
			fmt.Fprintf(&b, "kong_%s %s\n", sample, strconv.FormatFloat(m.samples[sample], 'g', -1, 64))
		}
	}
	return b.String()
}

// sample names a sample; more is a further label.
func (m *sampled) sample(L *lua.LState, name string, values lua.LValue, more string) string {
	list, _ := values.(*lua.LTable)
	n := 0
	if list != nil {
		n = list.Len()
	}
	if n != len(m.labels) {
		L.RaiseError("metric '%s' has inconsistent labels count, expected %d, got %d", name, len(m.labels), n)
	}
	var pairs []string
	for i, label := range m.labels {
		pairs = append(pairs, label+"="+strconv.Quote(list.RawGetInt(i+1).String()))
	}
	if more != "" {
		pairs = append(pairs, more)
	}
	if len(pairs) == 0 {
		return name
	}
	return name + "{" + strings.Join(pairs, ",") + "}"
}

// loadExporter is kong.plugins.prometheus.exporter, as far as other plugins use it.
func (w *Worker) loadExporter(L *lua.LState) *lua.LTable {
	r := &w.opts.Shared.registry
	registered := L.NewTable()
	object := strict(L, "prometheus", nil, nil)
	L.SetField(object, "registry", registered)
	for _, kind := range []string{"counter", "gauge", "histogram"} {
		L.SetField(object, kind, L.NewFunction(func(L *lua.LState) int {
			name := L.CheckString(2)
			if registered.RawGetString(name) != lua.LNil {
				L.RaiseError("Duplicate metric %s", name) // Kong logs it, and returns nothing
			}
			fresh := &sampled{kind: kind, help: L.CheckString(3), samples: map[string]float64{}}
			if labels, ok := L.Get(4).(*lua.LTable); ok {
				labels.ForEach(func(_, label lua.LValue) { fresh.labels = append(fresh.labels, label.String()) })
			}
			if buckets, ok := L.Get(5).(*lua.LTable); ok {
				buckets.ForEach(func(_, bound lua.LValue) { fresh.buckets = append(fresh.buckets, float64(bound.(lua.LNumber))) })
			}
			r.mu.Lock()
			m := r.metrics[name]
			if m == nil {
				m = fresh
				r.metrics[name] = m
			}
			r.mu.Unlock()
			metric := r.methods(L, name, m)
			L.SetField(registered, name, metric)
			L.Push(metric)
			return 1
		}))
	}
	return strict(L, "kong.plugins.prometheus.exporter", map[string]lua.LGFunction{"get_prometheus": func(L *lua.LState) int {
		L.Push(object)
		return 1
	}}, nil)
}

// methods are those of a metric's kind.
func (r *registry) methods(L *lua.LState, name string, m *sampled) *lua.LTable {
	method := func(f func(L *lua.LState, value float64)) lua.LGFunction {
		return func(L *lua.LState) int {
			r.mu.Lock()
			defer r.mu.Unlock()
			f(L, float64(L.OptNumber(2, 0)))
			return 0
		}
	}
	add := method(func(L *lua.LState, value float64) { m.samples[m.sample(L, name, L.Get(3), "")] += value })
	switch m.kind {
	case "counter":
		return strict(L, name, map[string]lua.LGFunction{"inc": add}, nil)
	case "gauge":
		return strict(L, name, map[string]lua.LGFunction{
			"inc":   add,
			"set":   method(func(L *lua.LState, value float64) { m.samples[m.sample(L, name, L.Get(3), "")] = value }),
			"reset": method(func(*lua.LState, float64) { clear(m.samples) }),
		}, nil)
	}
	return strict(L, name, map[string]lua.LGFunction{"observe": method(func(L *lua.LState, value float64) {
		m.samples[m.sample(L, name+"_count", L.Get(3), "")]++
		m.samples[m.sample(L, name+"_sum", L.Get(3), "")] += value
		for _, bound := range m.buckets {
			if value <= bound {
				m.samples[m.sample(L, name+"_bucket", L.Get(3), fmt.Sprintf("le=%q", strconv.FormatFloat(bound, 'g', -1, 64)))]++
			}
		}
		m.samples[m.sample(L, name+"_bucket", L.Get(3), `le="+Inf"`)]++
	})}, nil)
}
