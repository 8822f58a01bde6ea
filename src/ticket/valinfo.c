/* ValInfo documents: read with libxml2, written by hand. */
#include "ticket/valinfo.h"

#include "base/text.h"

#include <libxml/parser.h>
#include <libxml/tree.h>

/* Where the parser stands, for the fault. */
static size_t octet_of(xmlParserCtxt *ctxt)
{
    long at = xmlByteConsumed(ctxt);
    return at > 0 ? (size_t)at : 0;
}

/* The text inside an element, without white space around it, copied; p is NULL (and n not 0) when memory is short, n is 0 when there is
 * no text or there are elements in it. */
static struct slice text_of(const xmlNode *element, struct region *region)
{
    const xmlNode *child = element->children;
    if (!child || child->next || (child->type != XML_TEXT_NODE && child->type != XML_CDATA_SECTION_NODE) ||
        !child->content)
        return (struct slice){0};
    struct slice s = slice_str((const char *)child->content);
    while (s.n && (s.p[0] <= ' '))
        s = slice_of(s.p + 1, s.n - 1);
    while (s.n && s.p[s.n - 1] <= ' ')
        s.n--;
    struct slice copy = region_copy(region, s);
    return copy.p ? copy : (struct slice){NULL, s.n};
}

static bool is_element(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

struct walk {
    struct region *region;
    struct valinfo valinfo;
    bool has_number;
    bool has_ticket;
    const char *rule; /* broken */
};

static int broken(struct walk *w, int err, const char *rule)
{
    w->rule = rule;
    return err;
}

static int take_text(struct walk *w, const xmlNode *element, const char *rule, struct slice *ret_text)
{
    struct slice s = text_of(element, w->region);
    if (s.n && !s.p)
        return broken(w, ERR_NO_MEMORY, rule);
    if (!s.n || !text_is_printable(s))
        return broken(w, ERR_SYNTAX, rule);
    *ret_text = s;
    return 0;
}

static int take_route(struct walk *w, const xmlNode *route)
{
    size_t before = w->valinfo.route_count;
    for (const xmlNode *node = route->children; node; node = node->next) {
        if (!is_element(node, "SIPURI"))
            continue;
        if (w->valinfo.route_count == VALINFO_ROUTES_MAX)
            return broken(w, ERR_LIMIT, "number of routes in a valinfo");
        struct slice *uri = &w->valinfo.routes[w->valinfo.route_count];
        int err = take_text(w, node, "SIPURI in a route, VAP 10.2", uri);
        if (err)
            return err;
        if (uri->n > VALINFO_URI_OCTETS_MAX)
            return broken(w, ERR_LIMIT, "length of a SIPURI");
        w->valinfo.route_count++;
    }
    return w->valinfo.route_count > before ? 0 : broken(w, ERR_SYNTAX, "a route has a SIPURI, VAP 10.2");
}

static int take_number(struct walk *w, const xmlNode *element)
{
    struct slice s;
    if (w->has_number)
        return broken(w, ERR_SYNTAX, "one number in a valinfo");
    int err = take_text(w, element, "number in a valinfo, VAP 10.2", &s);
    if (err)
        return err;
    w->has_number = true;
    return e164_parse(s, &w->valinfo.number) ? 0 : broken(w, ERR_RANGE, "number is E.164");
}

static int take_ticket(struct walk *w, const xmlNode *element)
{
    if (w->has_ticket)
        return broken(w, ERR_SYNTAX, "one ticket in a valinfo");
    w->has_ticket = true;
    return take_text(w, element, "ticket in a valinfo, VAP 10.2", &w->valinfo.ticket);
}

static int take_document(struct walk *w, const xmlNode *root)
{
    if (!root || !is_element(root, "valinfo"))
        return broken(w, ERR_SYNTAX, "the root element is valinfo, VAP 10.2");
    for (const xmlNode *node = root->children; node; node = node->next) {
        int err = 0;
        if (is_element(node, "number"))
            err = take_number(w, node);
        else if (is_element(node, "ticket"))
            err = take_ticket(w, node);
        else if (is_element(node, "route"))
            err = take_route(w, node);
        if (err)
            return err;
    }
    if (!w->has_number)
        return broken(w, ERR_SYNTAX, "a valinfo has a number, VAP 10.2");
    if (!w->has_ticket)
        return broken(w, ERR_SYNTAX, "a valinfo has a ticket, VAP 10.2");
    if (!w->valinfo.route_count)
        return broken(w, ERR_SYNTAX, "a valinfo has a route, VAP 10.2");
    return 0;
}

static int fail(struct fault *ret_fault, int err, size_t octet, const char *rule)
{
    if (ret_fault)
        *ret_fault = (struct fault){octet, rule};
    return err;
}

int valinfo_parse(struct slice xml, struct region *region, struct valinfo *ret_valinfo, struct fault *ret_fault)
{
    if (xml.n > VALINFO_OCTETS_MAX)
        return fail(ret_fault, ERR_LIMIT, VALINFO_OCTETS_MAX, "length of a valinfo");
    if (!xml.n)
        return fail(ret_fault, ERR_TRUNCATED, 0, "a valinfo");
    /* No entity other than the five of XML itself can then be declared. */
    const uint8_t *doctype = memmem(xml.p, xml.n, "<!DOCTYPE", 9);
    if (doctype)
        return fail(ret_fault, ERR_SYNTAX, (size_t)(doctype - xml.p), "no document type in a valinfo");
    xmlParserCtxt *ctxt = xmlNewParserCtxt();
    if (!ctxt)
        return fail(ret_fault, ERR_NO_MEMORY, 0, "memory");
    struct walk w = {.region = region};
    xmlDoc *doc = xmlCtxtReadMemory(ctxt, (const char *)xml.p, (int)xml.n, NULL, NULL,
                                    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOBLANKS |
                                        XML_PARSE_NOCDATA);
    int err;
    size_t octet = 0;
    if (!doc) {
        octet = octet_of(ctxt);
        err = broken(&w, ERR_SYNTAX, "well-formed XML");
    } else if (doc->intSubset) {
        err = broken(&w, ERR_SYNTAX, "no document type in a valinfo");
    } else {
        err = take_document(&w, xmlDocGetRootElement(doc));
    }
    if (err)
        fail(ret_fault, err, octet, w.rule);
    else
        *ret_valinfo = w.valinfo;
    xmlFreeDoc(doc);
    xmlFreeParserCtxt(ctxt);
    return err;
}

static void put_escaped(struct buf *b, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        switch (s.p[i]) {
        case '&':
            buf_str(b, "&amp;");
            break;
        case '<':
            buf_str(b, "&lt;");
            break;
        case '>':
            buf_str(b, "&gt;");
            break;
        default:
            buf_u8(b, s.p[i]);
        }
    }
}

static void put_element(struct buf *b, const char *indent, const char *name, struct slice text)
{
    buf_printf(b, "%s<%s>", indent, name);
    put_escaped(b, text);
    buf_printf(b, "</%s>\n", name);
}

/* What survives the way through a document. */
static bool is_writable(struct slice s)
{
    return s.n && text_is_printable(s) && s.p[0] != ' ' && s.p[s.n - 1] != ' ';
}

int valinfo_format(const struct valinfo *v, struct buf *ret_xml)
{
    if (!v->route_count || v->route_count > VALINFO_ROUTES_MAX || !e164_is_valid(e164_slice(&v->number)) ||
        !is_writable(v->ticket))
        return ERR_RANGE;
    for (size_t i = 0; i < v->route_count; i++)
        if (!is_writable(v->routes[i]) || v->routes[i].n > VALINFO_URI_OCTETS_MAX)
            return ERR_RANGE;
    buf_str(ret_xml, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<valinfo>\n");
    put_element(ret_xml, " ", "number", e164_slice(&v->number));
    put_element(ret_xml, " ", "ticket", v->ticket);
    for (size_t i = 0; i < v->route_count; i++) {
        buf_str(ret_xml, " <route>\n");
        put_element(ret_xml, "  ", "SIPURI", v->routes[i]);
        buf_str(ret_xml, " </route>\n");
    }
    buf_str(ret_xml, "</valinfo>\n");
    return ret_xml->err;
}
