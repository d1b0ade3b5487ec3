package depot

import (
	"slices"
	"strings"
	"testing"
)

const apacheSays = `<?xml version="1.0" encoding="utf-8"?>
<D:multistatus xmlns:D="DAV:" xmlns:ns0="DAV:"><D:response xmlns:lp1="DAV:"><D:href>/dav/x/a%20b.ltx</D:href><D:propstat><D:prop><lp1:resourcetype/><lp1:getcontentlength>12</lp1:getcontentlength></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>
<D:response xmlns:lp1="DAV:"><D:href>/dav/x/</D:href><D:propstat><D:prop><lp1:resourcetype><D:collection/></lp1:resourcetype></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat><D:propstat><D:prop><ns0:getcontentlength/></D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat></D:response>
<D:response><D:href>http://host/dav/x/unter</D:href><D:propstat><D:prop><D:resourcetype><D:collection/></D:resourcetype></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>`

// The folder itself may stand anywhere in the answer, addresses may be whole.
func TestReadList(t *testing.T) {
	got, err := readList(strings.NewReader(apacheSays))
	want := []Entry{{Name: "a b.ltx", Size: 12}, {Name: "unter", Dir: true}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

func FuzzReadList(f *testing.F) {
	f.Add(apacheSays)
	f.Add("<multistatus xmlns=\"DAV:\"><response><href>%</href></response></multistatus>")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := readList(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, e := range got {
			if e.Name == "" || e.Name == ".." || strings.Contains(e.Name, "/") || e.Size < 0 {
				t.Errorf("%+v", e)
			}
		}
	})
}
