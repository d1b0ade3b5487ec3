package store_test

import (
	"strings"
	"testing"

	"tuermer/internal/platform/storetest"
)

// Figures count every table over all tenants and name each room's schema, on both
// databases.
func TestFigures(t *testing.T) {
	storetest.Each(t, nil, func(t *testing.T, w *storetest.World) {
		f, err := w.Store.Figures(w.Ctx)
		if err != nil {
			t.Fatal(err)
		}
		want := "sqlite "
		if w.Store.Postgres() {
			want = "postgresql "
		}
		if !strings.HasPrefix(f.Engine, want) || f.Bytes == 0 {
			t.Errorf("%+v", f)
		}
		if n, ok := f.Rows["river_job"]; !ok || n != 0 {
			t.Errorf("river_job: %d, %v", n, ok)
		}
		if f.Versions["bus"] < 1 {
			t.Errorf("%v", f.Versions)
		}
		for name := range f.Rows {
			if strings.HasSuffix(name, "_schema_version") {
				t.Errorf("%s counts as data", name)
			}
		}
	})
}
