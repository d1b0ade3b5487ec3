package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"github.com/PuerkitoBio/goquery"
)

// reader is somebody with a browser without JavaScript: a page at a time,
// links, and forms that keep what was typed until they are sent.
type reader struct {
	client *http.Client
	at     *url.URL
	doc    *goquery.Document
	status int
	raw    string
	typed  map[string][]string // by the name of the field
	chosen map[string]paper    // files, likewise
}

// paper is a file that somebody has on their own machine.
type paper struct {
	name string
	text []byte
}

func newReader(n *memnet) *reader {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // only for wrong options
	}
	return &reader{client: &http.Client{
		Jar:       jar,
		Transport: &http.Transport{DialContext: n.Dial, DisableKeepAlives: true},
	}}
}

func (r *reader) open(address string) error {
	u, err := r.resolve(address)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	return r.send(req)
}

func (r *reader) resolve(address string) (*url.URL, error) {
	if r.at == nil {
		return url.Parse(address)
	}
	return r.at.Parse(address)
}

func (r *reader) send(req *http.Request) error {
	req.Header.Set("Accept", "text/html")
	if r.at != nil {
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	res, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	r.status, r.raw, r.at, r.typed, r.chosen = res.StatusCode, string(body), res.Request.URL, map[string][]string{}, map[string]paper{}
	r.doc, err = goquery.NewDocumentFromReader(bytes.NewReader(body))
	return err
}

// text is what the page says, without its head and menu.
func (r *reader) text() string {
	if r.doc == nil {
		return ""
	}
	root := r.doc.Find("body").Clone()
	root.Find("script, style, nav, [hidden]").Remove()
	var b strings.Builder
	root.Find("*").AddSelection(root).Contents().Each(func(_ int, s *goquery.Selection) {
		if goquery.NodeName(s) == "#text" {
			b.WriteString(s.Text())
			b.WriteByte(' ')
		}
	})
	root.Find("input, textarea").Each(func(_ int, s *goquery.Selection) {
		if v, ok := s.Attr("value"); ok {
			b.WriteString(" " + v)
		}
	})
	return b.String()
}

// says compares the words with the page as it reads, and as it reads without
// the blanks that separate elements.
func (r *reader) says(words string) bool {
	return contains(r.text(), words) || contains(r.doc.Find("body").Text(), words) || strings.Contains(r.raw, words)
}

// click follows the link or presses the button with these words.
func (r *reader) click(words string) error {
	if r.doc == nil {
		return errors.New("es ist keine Seite offen")
	}
	named := func(sel string) *goquery.Selection {
		exact := r.doc.Find(sel).FilterFunction(func(_ int, s *goquery.Selection) bool { return label(s) == words })
		if exact.Length() > 0 {
			return exact.First()
		}
		return r.doc.Find(sel).FilterFunction(func(_ int, s *goquery.Selection) bool { return contains(label(s), words) }).First()
	}
	if b := named("main button, main input[type=submit]"); b.Length() > 0 {
		return r.submit(b)
	}
	if l := named("main a[href]"); l.Length() > 0 {
		return r.open(l.AttrOr("href", ""))
	}
	if b := named("button, input[type=submit]"); b.Length() > 0 {
		return r.submit(b)
	}
	if l := named("a[href]"); l.Length() > 0 {
		return r.open(l.AttrOr("href", ""))
	}
	return fmt.Errorf("auf der Seite gibt es weder Knopf noch Link „%s“", words)
}

func label(s *goquery.Selection) string {
	if v, ok := s.Attr("aria-label"); ok {
		return v
	}
	t := strings.Join(strings.Fields(s.Text()), " ")
	if t == "" {
		t = s.AttrOr("value", "")
	}
	return t
}

// field finds the input with this label.
func (r *reader) field(words string) (*goquery.Selection, error) {
	var found *goquery.Selection
	for _, exact := range []bool{true, false} {
		r.doc.Find("label").EachWithBreak(func(_ int, l *goquery.Selection) bool {
			t := strings.Join(strings.Fields(l.Text()), " ")
			if t == words || (!exact && contains(t, words)) {
				if id, ok := l.Attr("for"); ok {
					found = r.doc.Find(fmt.Sprintf("[id=%q]", id)).First()
				} else {
					found = l.Find("input, select, textarea").First()
				}
				return found.Length() == 0
			}
			return true
		})
		if found != nil && found.Length() > 0 {
			return found, nil
		}
	}
	return nil, fmt.Errorf("auf der Seite gibt es kein Feld „%s“", words)
}

// fill types a value; "an" and "aus" tick boxes; of a choice it takes the words.
func (r *reader) fill(words, value string) error {
	f, err := r.field(words)
	if err != nil {
		return err
	}
	name := f.AttrOr("name", "")
	switch {
	case f.AttrOr("type", "") == "radio":
		r.typed[name] = []string{f.AttrOr("value", "on")}
	case f.AttrOr("type", "") == "checkbox":
		r.tick(name, f.AttrOr("value", "on"), value != "aus")
	case goquery.NodeName(f) == "select":
		opt := f.Find("option").FilterFunction(func(_ int, o *goquery.Selection) bool {
			return contains(o.Text(), value) || o.AttrOr("value", "") == value
		}).First()
		if opt.Length() == 0 {
			return fmt.Errorf("„%s“ bietet „%s“ nicht an", words, value)
		}
		r.typed[name] = []string{opt.AttrOr("value", opt.Text())}
	default:
		r.typed[name] = []string{value}
	}
	return nil
}

// choose picks a file for the field with this label.
func (r *reader) choose(words string, p paper) error {
	f, err := r.field(words)
	if err != nil {
		return err
	}
	if f.AttrOr("type", "") != "file" {
		return fmt.Errorf("„%s“ nimmt keine Datei", words)
	}
	r.chosen[f.AttrOr("name", "")] = p
	return nil
}

func (r *reader) tick(name, value string, on bool) {
	now, ok := r.typed[name]
	if !ok {
		r.doc.Find(fmt.Sprintf("input[name=%q][checked]", name)).Each(func(_ int, s *goquery.Selection) {
			now = append(now, s.AttrOr("value", "on"))
		})
	}
	var out []string
	for _, v := range now {
		if v != value {
			out = append(out, v)
		}
	}
	if on {
		out = append(out, value)
	}
	r.typed[name] = out
}

// submit sends the form of a button as a browser does.
func (r *reader) submit(b *goquery.Selection) error {
	form := b.Closest("form")
	if id, ok := b.Attr("form"); ok {
		form = r.doc.Find(fmt.Sprintf("form[id=%q]", id)).First()
	}
	if form.Length() == 0 {
		return fmt.Errorf("der Knopf „%s“ gehört zu keinem Formular", label(b))
	}
	values := url.Values{}
	form.Find("input, select, textarea").Each(func(_ int, f *goquery.Selection) {
		name, ok := f.Attr("name")
		if _, off := f.Attr("disabled"); off || !ok || name == "" {
			return
		}
		if _, typed := r.typed[name]; typed {
			return
		}
		switch kind := f.AttrOr("type", "text"); {
		case kind == "submit" || kind == "button" || kind == "file":
		case kind == "checkbox" || kind == "radio":
			if _, on := f.Attr("checked"); on {
				values.Add(name, f.AttrOr("value", "on"))
			}
		case goquery.NodeName(f) == "select":
			o := f.Find("option[selected]").First()
			if o.Length() == 0 {
				o = f.Find("option").First()
			}
			values.Add(name, o.AttrOr("value", o.Text()))
		case goquery.NodeName(f) == "textarea":
			values.Add(name, f.Text())
		default:
			values.Add(name, f.AttrOr("value", ""))
		}
	})
	for name, vs := range r.typed {
		for _, v := range vs {
			values.Add(name, v)
		}
	}
	if name, ok := b.Attr("name"); ok {
		values.Set(name, b.AttrOr("value", ""))
	}
	action, err := r.resolve(b.AttrOr("formaction", form.AttrOr("action", r.at.String())))
	if err != nil {
		return err
	}
	method := strings.ToUpper(b.AttrOr("formmethod", form.AttrOr("method", "get")))
	if method == http.MethodGet {
		action.RawQuery = values.Encode()
		return r.open(action.String())
	}
	body, contentType, err := encode(form.AttrOr("enctype", ""), values, r.chosen)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(method, action.String(), body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", contentType)
	return r.send(req)
}

func encode(enctype string, values url.Values, files map[string]paper) (io.Reader, string, error) {
	if enctype != "multipart/form-data" {
		return strings.NewReader(values.Encode()), "application/x-www-form-urlencoded", nil
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for k, vs := range values {
		for _, v := range vs {
			if err := w.WriteField(k, v); err != nil {
				return nil, "", err
			}
		}
	}
	for name, p := range files {
		part, err := w.CreateFormFile(name, p.name)
		if err != nil {
			return nil, "", err
		}
		if _, err := part.Write(p.text); err != nil {
			return nil, "", err
		}
	}
	return &b, w.FormDataContentType(), w.Close()
}
