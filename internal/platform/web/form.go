package web

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tuermer/internal/platform/clock"
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

// inMemory is how much of a form's files stays in memory: all of it, since the site
// bounds what is sent. In a temporary file they would lie in the clear, and stay
// there: net/http removes only those of a request that no middleware has copied.
const inMemory = 1 << 30

// ReadForm reads a posted form, text or multipart.
func ReadForm(r *http.Request) (*Form, error) {
	err := r.ParseForm() // on its own: ParseMultipartForm hides its error
	if err == nil {
		err = r.ParseMultipartForm(inMemory)
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

// How long a file may take on a poor line, and everything else.
const (
	uploadTime = 5 * time.Minute
	formTime   = time.Minute
)

// giveTime lets whoever uploads take [uploadTime] from now on.
func giveTime(w http.ResponseWriter) {
	line := http.NewResponseController(w)
	end := clock.System{}.Now().Add(uploadTime)
	_ = errors.Join(line.SetReadDeadline(end), line.SetWriteDeadline(end)) // a test's writer has none
}

// ReadUpload reads a posted form with one file in field; none chosen is no error.
// The site has to let the address send that much, see [Options].
func ReadUpload(w http.ResponseWriter, r *http.Request, field string) (*Form, []byte, error) {
	giveTime(w)
	f, err := ReadForm(r)
	if err != nil {
		return nil, nil, err
	}
	file, _, err := r.FormFile(field)
	if errors.Is(err, http.ErrMissingFile) || errors.Is(err, http.ErrNotMultipart) {
		return f, nil, nil
	}
	if err != nil {
		return nil, nil, fault.New(fault.Invalid, "web.bad_form").With(err)
	}
	data, err := io.ReadAll(file)
	if err = errors.Join(err, file.Close()); err != nil {
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
