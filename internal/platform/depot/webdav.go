package depot

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// webdav is a folder on an HTTP server that takes PUT, MKCOL, MOVE and DELETE
// (RFC 4918).
type webdav struct {
	base   *url.URL // ends in a slash
	client *http.Client
	user   string
	pass   string
}

func openWebDAV(t Place, dial Dial) (Session, error) {
	u, err := url.Parse(t.Address)
	if err != nil || u.Host == "" {
		return nil, Failed("setup", fmt.Errorf("address %q", t.Address))
	}
	u.Path = strings.TrimRight(u.Path, "/") + "/"
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(t.CA) > 0 {
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(t.CA) {
			return nil, Failed("setup", errors.New("ca_file holds no certificate"))
		}
	}
	w := &webdav{base: u, user: cmp.Or(t.Username, u.User.Username()), pass: t.Password}
	u.User = nil
	w.client = &http.Client{
		Transport: &http.Transport{
			DialContext: dial, TLSClientConfig: conf, TLSHandshakeTimeout: StepTime / 2, ResponseHeaderTimeout: StepTime,
			MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute,
		},
		// A redirect of a PUT would become a GET somewhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return w, nil
}

func (w *webdav) url(name string) string { return w.base.JoinPath(name).String() }

// do sends one request; ok are the answers besides 2xx that are as good.
func (w *webdav) do(ctx context.Context, method, address string, body []byte, header http.Header, ok ...int) error {
	res, err := w.send(ctx, method, address, bytes.NewReader(body), int64(len(body)), header)
	if err != nil {
		return err
	}
	return done(method, res, ok...)
}

// send sends one request; the caller closes the answer.
func (w *webdav) send(ctx context.Context, method, address string, body io.Reader, size int64, header http.Header) (*http.Response, error) {
	if size == 0 {
		body = nil
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, Failed("setup", err)
	}
	req.ContentLength = size
	maps.Copy(req.Header, header)
	req.Header.Set("User-Agent", "Tuermer")
	if w.user != "" {
		req.SetBasicAuth(w.user, w.pass)
	}
	res, err := w.client.Do(req)
	if err != nil {
		return nil, Failed(sendReason(ctx, err), err)
	}
	return res, nil
}

// done reads the answer to its end and says whether it was well.
func done(method string, res *http.Response, ok ...int) error {
	defer res.Body.Close()
	_, err := io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	if slices.Contains(ok, res.StatusCode) {
		return nil
	}
	if res.StatusCode/100 == 2 {
		if err != nil { // half an answer is none: the server may not have kept it
			return Failed("write", err)
		}
		return nil
	}
	err = fmt.Errorf("%s: %s", method, res.Status)
	if res.StatusCode == http.StatusNotFound {
		err = fmt.Errorf("%w: %w", err, fs.ErrNotExist)
	}
	return Failed(statusReason(res.StatusCode), err)
}

// sendReason tells a certificate that is not trusted from a server that is away.
func sendReason(ctx context.Context, err error) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verify *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case ctx.Err() != nil:
		return "hang"
	case errors.As(err, &unknown), errors.As(err, &name), errors.As(err, &invalid), errors.As(err, &verify), errors.As(err, &record):
		return "tls"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "gone"
	default:
		return "connect"
	}
}

func statusReason(code int) string {
	switch {
	case code == http.StatusUnauthorized:
		return "login"
	case code == http.StatusForbidden, code == http.StatusMethodNotAllowed:
		return "denied"
	case code == http.StatusLocked:
		return "locked"
	case code == http.StatusInsufficientStorage, code == http.StatusRequestEntityTooLarge:
		return "full"
	case code/100 == 3:
		return "moved"
	default:
		return "write"
	}
}

// mkdir makes one folder; 405 says that it is there already.
func (w *webdav) Mkdir(ctx context.Context, dir string) error {
	return w.do(ctx, "MKCOL", w.url(dir)+"/", nil, nil, http.StatusMethodNotAllowed)
}

func (w *webdav) Put(ctx context.Context, name string, body []byte) error {
	return w.do(ctx, http.MethodPut, w.url(name), body, nil)
}

func (w *webdav) PutFrom(ctx context.Context, name string, body io.Reader, size int64) error {
	ctx, m, end := whileMoving(ctx)
	defer end()
	res, err := w.send(ctx, http.MethodPut, w.url(name), movingReader{m, body}, size, nil)
	if err != nil {
		return err
	}
	return done(http.MethodPut, res)
}

func (w *webdav) Get(ctx context.Context, name string, to io.Writer) error {
	ctx, m, end := whileMoving(ctx)
	defer end()
	res, err := w.send(ctx, http.MethodGet, w.url(name), nil, 0, nil)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return done(http.MethodGet, res)
	}
	defer res.Body.Close()
	if _, err := io.Copy(movingWriter{m, to}, res.Body); err != nil {
		return Failed(sendReason(ctx, err), err)
	}
	return nil
}

// propfind asks for what lies in a folder, and how large it is.
const propfind = `<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/></prop></propfind>`

func (w *webdav) List(ctx context.Context, dir string) ([]Entry, error) {
	res, err := w.send(ctx, "PROPFIND", strings.TrimRight(w.url(dir), "/")+"/", strings.NewReader(propfind), int64(len(propfind)),
		http.Header{"Depth": {"1"}, "Content-Type": {"application/xml"}})
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusMultiStatus {
		err := done("PROPFIND", res)
		if err == nil {
			err = Failed("write", fmt.Errorf("PROPFIND: %s", res.Status))
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	defer res.Body.Close()
	out, err := readList(io.LimitReader(res.Body, maxList))
	if err != nil {
		return nil, Failed("write", err)
	}
	return out, nil
}

func (w *webdav) Rename(ctx context.Context, from, to string) error {
	return w.do(ctx, "MOVE", w.url(from), nil, http.Header{"Destination": {w.url(to)}, "Overwrite": {"T"}})
}

func (w *webdav) Remove(ctx context.Context, name string) error {
	return w.do(ctx, http.MethodDelete, w.url(name), nil, nil, http.StatusNotFound)
}

func (w *webdav) Close() { w.client.CloseIdleConnections() }
