package app

import (
	"encoding/json"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/web"
)

// operations are the pages for machines that look after this one. They carry
// no data of the town.
func (a *App) operations(s *web.Site) {
	s.Mux().HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "ok", "version": a.o.Version})
	})
	s.Mux().HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := a.store.Ping(r.Context()); err != nil {
			a.log.WarnContext(r.Context(), "not ready", "err", err)
			answer(w, http.StatusServiceUnavailable, map[string]string{"status": "unavailable", "why": "database"})
			return
		}
		if err := writable(a.o.Dir); err != nil {
			a.log.WarnContext(r.Context(), "not ready", "err", err)
			answer(w, http.StatusServiceUnavailable, map[string]string{"status": "unavailable", "why": "disk"})
			return
		}
		answer(w, http.StatusOK, map[string]string{"status": "ready"})
	})
	figures := promhttp.HandlerFor(a.metrics(), promhttp.HandlerOpts{})
	s.Handle("GET /metrics", func(w http.ResponseWriter, r *http.Request) error {
		// Whoever comes through the proxy comes from outside: the figures are
		// for those who reach the listener itself.
		if r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != "" {
			return fault.New(fault.NotFound, "web.not_found")
		}
		figures.ServeHTTP(w, r)
		return nil
	})
}

func answer(w http.ResponseWriter, status int, body map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the asker may be gone
}

// metrics are figures about this process; each name begins with its room.
func (a *App) metrics() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	gauge := func(name, help string, f func() float64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f))
	}
	gauge("tuermer_monitor_watched", "Monitors that are being probed.", func() float64 { return float64(a.monitor.EngineStats().Monitors) })
	gauge("tuermer_monitor_in_flight", "Probes under way.", func() float64 { return float64(a.monitor.EngineStats().InFlight) })
	gauge("tuermer_monitor_unsaved", "Results not stored yet.", func() float64 { return float64(a.monitor.EngineStats().Unsaved) })
	counter := func(name, help string, f func() float64) {
		reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, f))
	}
	counter("tuermer_monitor_stored_total", "Results stored since the start.", func() float64 { return float64(a.monitor.EngineStats().Stored) })
	counter("tuermer_monitor_dropped_total", "Results given up because the database failed for too long; never an alarm.", func() float64 { return float64(a.monitor.EngineStats().Dropped) })
	reg.MustRegister(states{a.monitor, prometheus.NewDesc("tuermer_monitor_state", "Monitors by the state that the engine holds them in.", []string{"state"}, nil)})
	gauge("tuermer_monitor_withheld", "Alarms that are being withheld for a reason.", func() float64 { return float64(a.monitor.EngineStats().Withheld) })
	gauge("tuermer_monitor_uplink_lost", "1 while our own line to the outside is confirmed lost.", func() float64 {
		if a.monitor.UplinkLost() {
			return 1
		}
		return 0
	})
	return reg
}

// states counts the monitors by state.
type states struct {
	room interface{ EngineStats() monitor.Stats }
	desc *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (s states) Describe(c chan<- *prometheus.Desc) { c <- s.desc }

// Collect implements prometheus.Collector.
func (s states) Collect(c chan<- prometheus.Metric) {
	for state, n := range s.room.EngineStats().States {
		c <- prometheus.MustNewConstMetric(s.desc, prometheus.GaugeValue, float64(n), string(state))
	}
}
