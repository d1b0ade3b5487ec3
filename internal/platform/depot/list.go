package depot

import (
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"net/url"
	"path"
	"strings"
)

// maxList bounds what a WebDAV server may say of one folder.
const maxList = 16 << 20

// multistatus is the answer to PROPFIND (RFC 4918, 14.16), as far as it counts.
type multistatus struct {
	Responses []struct {
		Href  string `xml:"DAV: href"`
		Props []struct {
			Status string    `xml:"DAV: status"`
			Length int64     `xml:"DAV: prop>getcontentlength"`
			Folder *struct{} `xml:"DAV: prop>resourcetype>collection"`
		} `xml:"DAV: propstat"`
	} `xml:"DAV: response"`
}

// readList reads which files and folders lie in the folder that was asked for;
// the folder itself, which servers name too, is left out: its name is the one
// that is the shortest.
func readList(r io.Reader) (out []Entry, err error) {
	var m multistatus
	if err := xml.NewDecoder(r).Decode(&m); err != nil {
		return nil, fmt.Errorf("depot: list of files: %w", err)
	}
	own, depths := math.MaxInt, make([]int, len(m.Responses))
	for i, x := range m.Responses {
		u, err := url.Parse(x.Href)
		if err != nil {
			return nil, fmt.Errorf("depot: list of files: %w", err)
		}
		e := Entry{Name: path.Base(u.Path), Dir: strings.HasSuffix(u.Path, "/")}
		for _, p := range x.Props {
			if p.Status == "" || strings.Contains(p.Status, " 200") {
				e.Size, e.Dir = max(p.Length, 0), e.Dir || p.Folder != nil
			}
		}
		depths[i] = strings.Count(strings.TrimRight(u.Path, "/"), "/")
		own = min(own, depths[i])
		out = append(out, e)
	}
	kept := out[:0]
	for i, e := range out {
		if depths[i] == own+1 && e.Name != "." && e.Name != "/" && e.Name != ".." {
			kept = append(kept, e)
		}
	}
	return kept, nil
}
