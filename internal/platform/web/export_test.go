package web

import (
	"context"
	"io"

	"github.com/a-h/templ"
)

// FormPageForTest is a page with a form of two fields.
func FormPageForTest(f *Form) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		body := templ.Join(
			ErrorSummary(f),
			Field(f, FieldOptions{Name: "name", Label: "Name", Required: true}),
			Field(f, FieldOptions{Name: "mail", Label: "Mail", Required: true}),
		)
		return Page(PageOptions{Title: "Form"}).Render(templ.WithChildren(ctx, body), w)
	})
}
