package roster_test

import (
	"bytes"
	"slices"
	"testing"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/paper"
	"tuermer/internal/platform/web"
	"tuermer/internal/raise/roster"
)

// The sheet for the wall has four weeks from this Monday on, with names and
// numbers, and prints.
func TestSheet(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		if err := x.Save(x.as(bert), press(t), true); err != nil {
			t.Fatal(err)
		}
		catalog, err := i18n.NewCatalog(web.Texts(), roster.Texts())
		if err != nil {
			t.Fatal(err)
		}
		zone, err := clock.Zone("")
		if err != nil {
			t.Fatal(err)
		}
		d, err := x.Sheet(i18n.With(x.w.Ctx, i18n.Locale{Catalog: catalog, Lang: i18n.DE, Zone: zone, Now: x.clock.at}), "presse")
		if err != nil || len(d.Sections) != 4 || d.Sections[0].Title != "17. Mai 2027 bis 23. Mai 2027" {
			t.Fatalf("%+v, %v", d, err)
		}
		table, ok := d.Sections[1].Blocks[0].(paper.Table)
		if !ok || !slices.ContainsFunc(table.Rows, func(row []string) bool {
			return slices.Equal(row, []string{"Donnerstag, 27. Mai 2027, 09:00–17:00 Uhr", "Ada Beispiel", "+491700000001", "Fronleichnam"})
		}) {
			t.Errorf("%+v", table)
		}
		raw, err := paper.PDF(d)
		if err != nil || !bytes.HasPrefix(raw, []byte("%PDF-")) || len(raw) < 5000 {
			t.Errorf("%d bytes, %v", len(raw), err)
		}
	})
}
