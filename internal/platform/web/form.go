package web

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"tuermer/internal/platform/fault"
)

// Form carries what somebody typed and what is wrong with it, so that a refused
// form comes back as it was.
type Form struct {
	Values url.Values
	Errors map[string]string // field → text key
	Locked bool              // its values stand in tuermer.yaml, see [Sealed]
	order  []string
}

// NewForm makes a form that shows the given values.
func NewForm(values map[string]string) *Form {
	f := &Form{Values: url.Values{}, Errors: map[string]string{}}
	for k, v := range values {
		f.Values.Set(k, v)
	}
	return f
}

// ReadForm reads a posted form, text or multipart.
func ReadForm(r *http.Request) (*Form, error) {
	err := r.ParseForm() // on its own: ParseMultipartForm hides its error
	if err == nil {
		err = r.ParseMultipartForm(1 << 20)
	}
	if tooBig := (*http.MaxBytesError)(nil); errors.As(err, &tooBig) {
		return nil, err
	}
	if err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return nil, fault.New(fault.Invalid, "web.bad_form").With(err)
	}
	for _, vs := range r.PostForm {
		for i, v := range vs {
			// Browsers send CRLF; what was typed has LF.
			v = strings.ReplaceAll(strings.ReplaceAll(v, "\r\n", "\n"), "\x00", "\uFFFD")
			vs[i] = strings.ToValidUTF8(v, "\uFFFD")
		}
	}
	return &Form{Values: r.PostForm, Errors: map[string]string{}}, nil
}

// ReadUpload reads a posted form with one file in field, which may have at most
// so many bytes; none chosen is no error. All of it stays in memory: what somebody
// sends in confidence must not lie in a temporary file when the machine dies. The
// site has to let the address send that much, see [Options].
func ReadUpload(r *http.Request, field string, most int64) (*Form, []byte, error) {
	if err := r.ParseForm(); err == nil {
		_ = r.ParseMultipartForm(most) // what is wrong with it ReadForm says
	}
	f, err := ReadForm(r)
	if err != nil {
		return nil, nil, err
	}
	file, head, err := r.FormFile(field)
	if errors.Is(err, http.ErrMissingFile) || errors.Is(err, http.ErrNotMultipart) {
		return f, nil, nil
	}
	if err != nil {
		return nil, nil, fault.New(fault.Invalid, "web.bad_form").With(err)
	}
	defer func() { _ = file.Close() }() // it is memory
	if head.Size > most {
		return f, nil, fault.New(fault.TooLarge, "web.too_large")
	}
	data, err := io.ReadAll(file)
	if err != nil {
		return nil, nil, fault.New(fault.Invalid, "web.bad_form").With(err)
	}
	return f, data, nil
}

// Get is a field without blanks around it.
func (f *Form) Get(name string) string { return strings.TrimSpace(f.Values.Get(name)) }

// All is every value of a field (check boxes).
func (f *Form) All(name string) []string { return f.Values[name] }

// Has reports whether field name has the value (check boxes, radio buttons).
func (f *Form) Has(name, value string) bool { return slices.Contains(f.Values[name], value) }

// Fail notes a text key against a field.
func (f *Form) Fail(name, key string) {
	if _, ok := f.Errors[name]; !ok {
		f.order = append(f.order, name)
	}
	f.Errors[name] = key
}

// Require notes an error for each empty field.
func (f *Form) Require(names ...string) {
	for _, n := range names {
		if f.Get(n) == "" {
			f.Fail(n, "web.required")
		}
	}
}

// OK reports whether nothing is wrong.
func (f *Form) OK() bool { return len(f.Errors) == 0 }

// Take moves the field errors of err into the form; it reports whether err was
// the kind of error that the form can show.
func (f *Form) Take(err error) bool {
	e := fault.As(err)
	if err == nil || (e.Kind != fault.Invalid && e.Kind != fault.Conflict) {
		return false
	}
	names := make([]string, 0, len(e.Fields))
	for n := range e.Fields {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		f.Fail(n, e.Fields[n])
	}
	if len(names) == 0 {
		f.Fail("", e.Key)
	}
	return true
}

// failed lists the fields with errors in the order in which they were found.
func (f *Form) failed() []string { return f.order }
