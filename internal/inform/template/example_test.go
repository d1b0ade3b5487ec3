package template_test

import (
	"errors"
	"fmt"
	"time"

	"tuermer/internal/inform/template"
)

// A holding text needs nothing that a person must write at three in the morning.
func ExampleLibrary_Render() {
	lib, err := template.Default()
	if err != nil {
		fmt.Println(err)
		return
	}
	e, _ := lib.Find(template.Holding, template.Citizens, template.SMS, template.DE, "")
	asOf := time.Date(2026, 11, 22, 14, 5, 0, 0, time.UTC)
	in := template.Input{
		Service: template.NounFor("das", "Bürgerportal"),
		AsOf:    asOf,
		Facts: template.Facts{
			template.SlotTown:      template.Filled("Musterstadt"),
			template.SlotNext:      template.At(asOf.Add(25 * time.Minute)),
			template.SlotShortLink: template.Filled("https://status.example/s/7"),
		},
	}
	_, err = lib.Render(e, in)
	if missing, ok := errors.AsType[*template.MissingError](err); ok {
		fmt.Println("missing:", missing.Slots)
		in.Facts = in.Facts.Unknowns(missing.Slots...)
	}
	text, err := lib.Render(e, in)
	fmt.Println(text.Body, text.Segments, err)
	// Output:
	// missing: [Ersatzweg]
	// Musterstadt: Bürgerportal vielleicht gestört, wir prüfen. Mehr bis 14:30 Uhr: https://status.example/s/7 1 <nil>
}
