package monitor_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/platform/storetest"
)

// The page of all monitors shows the broken ones first, whatever their names,
// and leads through all of them without showing one twice.
func TestBrokenFirst(t *testing.T) {
	w := storetest.SQLite(t, rooms...)
	d := newDesk(t, w)
	d.start()
	var ms []monitor.Monitor
	for i := range 130 {
		ms = append(ms, monitor.Monitor{Slug: fmt.Sprintf("m%03d", i), Spec: monitor.Spec{Kind: monitor.Heartbeat, Interval: monitor.Duration(time.Hour), Grace: monitor.Duration(time.Minute)}})
	}
	d.save(ms...)
	for _, slug := range []string{"m100", "m129"} {
		m, err := d.room.Get(w.Ctx, slug)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.room.Ping(w.Ctx, m.PingKey, "fail", ""); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for href, pages := "/monitor", 0; href != ""; pages++ {
		if pages > 5 {
			t.Fatal("the pages do not end")
		}
		doc := d.page("it", http.MethodGet, href, "", 200)
		doc.Find("tbody th a").Each(func(_ int, a *goquery.Selection) {
			got = append(got, strings.TrimPrefix(a.AttrOr("href", ""), "/monitor/"))
		})
		href = doc.Find("nav.tm-pages a[rel=next]").AttrOr("href", "")
	}
	if len(got) != 130 || got[0] != "m100" || got[1] != "m129" || got[2] != "m000" {
		t.Fatal(len(got), got[:min(5, len(got))])
	}
	seen := map[string]bool{}
	for _, s := range got {
		if seen[s] {
			t.Errorf("%s stands there twice", s)
		}
		seen[s] = true
	}
	if n := d.page("it", http.MethodGet, "/monitor?q=m12", "", 200).Find("tbody th a").Length(); n != 10 {
		t.Errorf("the search found %d", n)
	}
	if n := d.page("it", http.MethodGet, "/monitor?state=down", "", 200).Find("tbody th a").Length(); n != 2 {
		t.Errorf("the filter shows %d", n)
	}
}

// withPast is a desk with one monitor of two days' results, the last of which
// says what a spreadsheet would take for a formula.
func withPast(t *testing.T) *desk {
	t.Helper()
	w := storetest.SQLite(t, rooms...)
	d := newDesk(t, w)
	w.Start(t)
	d.save(monitor.Monitor{Slug: "p", Spec: monitor.Spec{URL: "http://127.0.0.1:1/"}})
	var all []monitor.Observation
	begin := time.Now().UTC().Add(-47 * time.Hour).Truncate(time.Hour) // the outage lies inside one hour, and so on one day
	for i := range 47 * 60 {
		st := monitor.Up
		if i >= 2000 && i < 2030 {
			st = monitor.Down
		}
		all = append(all, seen("p", begin.Add(time.Duration(i)*time.Minute), st, 40*time.Millisecond))
	}
	all[2029].Result.Detail = `=HYPERLINK("http://evil.example")`
	for i, half := range [][]monitor.Observation{all[:2500], all[2500:]} {
		if err := d.room.Take(w.Ctx, half); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if err := d.room.Fold(w.Ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	return d
}

// The chart is a table that is there without JavaScript, with the numbers that
// the picture is drawn from.
func TestChartPage(t *testing.T) {
	d := withPast(t)
	for rg, rows := range map[string]int{"24h": 48, "7d": 0, "30d": 30, "1y": 53, "nonsense": 48} {
		doc := d.page("it", http.MethodGet, "/monitor/p?range="+rg, "", 200)
		table := doc.Find("tm-chart details[open] table")
		n := table.Find("tbody tr").Length()
		if rows > 0 && n != rows || rows == 0 && (n < 37 || n > 43) {
			t.Errorf("%s: %d rows", rg, n)
		}
		var points [][]any
		if err := json.Unmarshal([]byte(doc.Find("tm-chart").AttrOr("data-points", "")), &points); err != nil || len(points) != n {
			t.Errorf("%s: %d points for %d rows, %v", rg, len(points), n, err)
		}
	}
	doc := d.page("it", http.MethodGet, "/monitor/p?range=30d", "", 200)
	if text := doc.Find("tm-chart table").Text(); !strings.Contains(text, "30 Min") || !strings.Contains(text, "40 ms") {
		t.Errorf("the table does not tell of the outage: %s", text)
	}
	if text := doc.Find("dl").Text(); !strings.Contains(text, "98,9") {
		t.Errorf("30 of 2820 minutes were down: %s", text)
	}
}

// Files hold every result and begin no formula; nobody from elsewhere gets one.
func TestExport(t *testing.T) {
	d := withPast(t)
	out := d.ask("it", http.MethodGet, "/monitor/p/export?what=results&format=csv&range=7d", "")
	if ct := out.Header().Get("Content-Type"); out.Code != 200 || ct != "text/csv; charset=utf-8" || !strings.Contains(out.Header().Get("Content-Disposition"), `filename="p-results-`) {
		t.Fatal(out.Code, out.Header())
	}
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(out.Body.Bytes(), []byte("\uFEFF"))))
	r.Comma = ';'
	lines, err := r.ReadAll()
	if err != nil || len(lines) != 1+47*60 {
		t.Fatal(len(lines), err)
	}
	for _, l := range lines {
		for _, c := range l {
			if strings.HasPrefix(c, "=") {
				t.Fatalf("a formula: %q", c)
			}
		}
	}
	if lines[2030][7] != `'=HYPERLINK("http://evil.example")` {
		t.Fatal(lines[2030])
	}
	for _, path := range []string{"/api/v1/monitors/p/export?what=results", "/api/v1/monitors/-/export?what=results"} {
		out := d.ask("it", http.MethodGet, path+"&from="+time.Now().AddDate(0, 0, -7).UTC().Format(time.RFC3339), "")
		var doc struct{ Items []map[string]any }
		if err := json.Unmarshal(out.Body.Bytes(), &doc); err != nil || len(doc.Items) != 47*60 {
			t.Fatal(path, out.Code, len(doc.Items), err, out.Body.String()[:min(300, out.Body.Len())])
		}
	}
	var days struct{ Items []map[string]any }
	out = d.ask("it", http.MethodGet, "/monitor/-/export?what=days&format=json&range=30d", "")
	if err := json.Unmarshal(out.Body.Bytes(), &days); err != nil || len(days.Items) < 2 || len(days.Items) > 3 {
		t.Fatal(out.Code, out.Body)
	}
	down := 0.0
	for _, day := range days.Items {
		down += day["down_seconds"].(float64)
	}
	if down != 1800 {
		t.Errorf("%v seconds down, want 1800", down)
	}
	if out := d.askAs("t2", "it", http.MethodGet, "/monitor/p/export?what=results", ""); out.Code != 404 { // I19
		t.Errorf("another town gets %d", out.Code)
	}
	if out := d.ask("it", http.MethodGet, "/monitor/p/export?what=everything", ""); out.Code != 422 && out.Code != 400 {
		t.Errorf("unknown: %d", out.Code)
	}
}

// The API does what the pages do: results and figures in pages, availability,
// reckoning anew, and retention.
func TestHistoryAPI(t *testing.T) {
	d := withPast(t)
	from := time.Now().AddDate(0, 0, -7).UTC().Format(time.RFC3339)
	for path, want := range map[string]int{"results": 47 * 60, "figures": 48} {
		n := 0
		for after := ""; ; {
			out := d.ask("it", http.MethodGet, "/api/v1/monitors/p/"+path+"?limit=1000&from="+from+"&after="+after, "")
			var doc struct {
				Items []json.RawMessage
				Next  string
			}
			if err := json.Unmarshal(out.Body.Bytes(), &doc); err != nil || out.Code != 200 {
				t.Fatal(out.Code, out.Body)
			}
			n += len(doc.Items)
			if after = doc.Next; after == "" {
				break
			}
		}
		if n < want-1 || n > want+1 || path == "results" && n != want {
			t.Errorf("%s: %d items, want %d", path, n, want)
		}
	}
	var up struct {
		Items []struct {
			Days      int
			Available int `json:"available_hundredths"`
			Down      int `json:"down_seconds"`
		}
	}
	out := d.ask("it", http.MethodGet, "/api/v1/monitors/p/availability", "")
	if err := json.Unmarshal(out.Body.Bytes(), &up); err != nil || len(up.Items) != 5 || up.Items[1].Down != 1800 || up.Items[1].Available != 9893 {
		t.Fatal(out.Body)
	}
	if out := d.ask("it", http.MethodPost, "/api/v1/monitors/p/figures/rebuild", ""); out.Code != 200 || !strings.Contains(out.Body.String(), `"hours":4`) {
		t.Error(out.Code, out.Body)
	}
	if out := d.ask("editor", http.MethodPost, "/api/v1/monitors/p/figures/rebuild", ""); out.Code != 403 {
		t.Error(out.Code, out.Body)
	}
	if out := d.ask("admin", http.MethodPut, "/api/v1/monitors/-/history", `{"results_days": 30, "figures_days": 400}`); out.Code != 200 || !strings.Contains(out.Body.String(), `"results_days":30`) {
		t.Error(out.Code, out.Body)
	}
	doc := d.page("admin", http.MethodPost, "/monitor/-/history", "results=30&figures=x", 422)
	if text := doc.Find("main").Text(); !strings.Contains(text, "1 bis 3660") {
		t.Error(text)
	}
	if out := d.ask("admin", http.MethodPost, "/monitor/-/history", "results=31&figures=401"); out.Code != 303 {
		t.Error(out.Code)
	}
	if text := d.page("it", http.MethodGet, "/monitor/-/history", "", 200).Find("main").Text(); !strings.Contains(text, "31 Tage") || strings.Contains(text, "Aufbewahrung sichern") {
		t.Error(text)
	}
	// What stands in tuermer.yaml is changed there.
	d.room.DeclareKeeping(d.w.Ctx, monitor.Keep{Results: 7})
	if out := d.ask("admin", http.MethodPut, "/api/v1/monitors/-/history", `{"results_days": 30, "figures_days": 400}`); out.Code != 409 {
		t.Error(out.Code, out.Body)
	}
	if text := d.page("admin", http.MethodGet, "/monitor/-/history", "", 200).Find("main").Text(); !strings.Contains(text, "bleiben 7 Tage") || !strings.Contains(text, "401 Tage") {
		t.Error(text)
	}
}
