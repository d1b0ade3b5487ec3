package twin

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
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

func openWebDAV(t Target, dial Dial) (session, error) {
	u, err := url.Parse(t.Address)
	if err != nil || u.Host == "" {
		return nil, failed("setup", fmt.Errorf("address %q", t.Address))
	}
	u.Path = strings.TrimRight(u.Path, "/") + "/"
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(t.CA) > 0 {
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(t.CA) {
			return nil, failed("setup", errors.New("ca_file holds no certificate"))
		}
	}
	w := &webdav{base: u, user: cmp.Or(t.Username, u.User.Username()), pass: t.Password}
	u.User = nil
	w.client = &http.Client{
		Transport: &http.Transport{
			DialContext: dial, TLSClientConfig: conf, TLSHandshakeTimeout: stepTime / 2, ResponseHeaderTimeout: stepTime,
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
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return failed("setup", err)
	}
	maps.Copy(req.Header, header)
	req.Header.Set("User-Agent", "Tuermer")
	if w.user != "" {
		req.SetBasicAuth(w.user, w.pass)
	}
	res, err := w.client.Do(req)
	if err != nil {
		return failed(sendReason(ctx, err), err)
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	if slices.Contains(ok, res.StatusCode) {
		return nil
	}
	if res.StatusCode/100 == 2 {
		if err != nil { // half an answer is none: the server may not have kept it
			return failed("write", err)
		}
		return nil
	}
	return failed(statusReason(res.StatusCode), fmt.Errorf("%s: %s", method, res.Status))
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
func (w *webdav) mkdir(ctx context.Context, dir string) error {
	return w.do(ctx, "MKCOL", w.url(dir)+"/", nil, nil, http.StatusMethodNotAllowed)
}

func (w *webdav) put(ctx context.Context, name string, body []byte) error {
	return w.do(ctx, http.MethodPut, w.url(name), body, nil)
}

func (w *webdav) rename(ctx context.Context, from, to string) error {
	return w.do(ctx, "MOVE", w.url(from), nil, http.Header{"Destination": {w.url(to)}, "Overwrite": {"T"}})
}

func (w *webdav) remove(ctx context.Context, name string) error {
	return w.do(ctx, http.MethodDelete, w.url(name), nil, nil, http.StatusNotFound)
}

func (w *webdav) close() { w.client.CloseIdleConnections() }
