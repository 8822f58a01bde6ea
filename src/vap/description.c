/* Service descriptions: XML of hostile origin into a struct, and back (section 10.1). */
#include "vap/description.h"

#include "base/text.h"
#include "vap/message.h"

#include <libxml/parser.h>
#include <libxml/tree.h>

#define MEMORY_OCTETS_MAX (4 * VAP_CONTENT_OCTETS_MAX)

struct parse {
    struct slice xml;
    struct vap_description *d;
    int err;
    struct fault fault;
};

/* The octet at which a line begins: all that the tree remembers of positions. */
static size_t line_octet(struct slice xml, long line)
{
    size_t octet = 0;
    for (size_t i = 0; i < xml.n && line > 1; i++) {
        if (xml.p[i] == '\n') {
            line--;
            octet = i + 1;
        }
    }
    return octet;
}

static void fail(struct parse *p, const xmlNode *where, int err, const char *rule)
{
    if (p->err)
        return;
    p->err = err;
    p->fault = (struct fault){where ? line_octet(p->xml, xmlGetLineNo((xmlNode *)(uintptr_t)where)) : 0, rule};
}

static void refuse_doctype(void *ctxt, const xmlChar *name, const xmlChar *external_id, const xmlChar *system_id)
{
    (void)name, (void)external_id, (void)system_id;
    xmlStopParser(ctxt);
}

static bool is_element(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

static struct slice trim_space(struct slice s)
{
    while (s.n && strchr(" \t\r\n", s.p[0]) && s.p[0])
        s = slice_of(s.p + 1, s.n - 1);
    while (s.n && strchr(" \t\r\n", s.p[s.n - 1]) && s.p[s.n - 1])
        s.n--;
    return s;
}

/* The element's own text without the white space around it, in the description's region; NULL after a failure. */
static const char *element_text(struct parse *p, const xmlNode *node, size_t max, const char *rule)
{
    struct buf text;
    const char *kept = NULL;
    buf_init(&text, max + 1024);
    for (const xmlNode *child = node->children; child; child = child->next) {
        if (child->type == XML_TEXT_NODE || child->type == XML_CDATA_SECTION_NODE)
            buf_str(&text, (const char *)child->content);
        else if (child->type != XML_COMMENT_NODE && child->type != XML_PI_NODE)
            fail(p, child, ERR_SYNTAX, rule);
    }
    struct slice s = trim_space(buf_slice(&text));
    if (text.err)
        fail(p, node, text.err, rule);
    else if (!s.n || s.n > max)
        fail(p, node, ERR_RANGE, rule);
    else if (!p->err && !(kept = region_text(&p->d->region, s)))
        fail(p, node, ERR_LIMIT, "the service description is too large");
    buf_fini(&text);
    return kept;
}

static void parse_count(struct parse *p, const xmlNode *node)
{
    const char *rule = "DIDCount is a number of 32 bits, VAP 10.1";
    const char *text = element_text(p, node, 20, rule);
    uint64_t count = 0;
    if (text && u64_parse(slice_str(text), UINT32_MAX, &count) < 0)
        fail(p, node, ERR_RANGE, rule);
    p->d->did_count = (uint32_t)count;
}

static void parse_list(struct parse *p, const xmlNode *node, enum vap_list_kind kind)
{
    const char *rule = "a list holds domains, VAP 10.1";
    if (p->d->list_kind != VAP_LIST_NONE) {
        fail(p, node, ERR_SYNTAX, "one of blacklist and whitelist, once, VAP 10.1");
        return;
    }
    p->d->list_kind = kind;
    size_t count = 0;
    for (const xmlNode *child = node->children; child; child = child->next)
        count += is_element(child, "domain");
    if (!count) {
        fail(p, node, ERR_SYNTAX, "a list has at least one domain, VAP 10.1");
        return;
    }
    if (count > VAP_LIST_DOMAINS_MAX) {
        fail(p, node, ERR_LIMIT, "too many domains in a list");
        return;
    }
    p->d->list_domains = region_array(&p->d->region, count, sizeof p->d->list_domains[0]);
    if (!p->d->list_domains)
        fail(p, node, ERR_LIMIT, "the service description is too large");
    for (const xmlNode *child = node->children; child && !p->err; child = child->next)
        if (is_element(child, "domain"))
            p->d->list_domains[p->d->list_count++] = element_text(p, child, 253, rule);
}

static void parse_route(struct parse *p, const xmlNode *node)
{
    size_t before = p->d->route_count;
    for (const xmlNode *child = node->children; child && !p->err; child = child->next) {
        if (!is_element(child, "SIPURI"))
            continue;
        if (p->d->route_count == VAP_ROUTES_MAX) {
            fail(p, child, ERR_LIMIT, "too many routes");
            return;
        }
        p->d->routes[p->d->route_count++] = element_text(p, child, VAP_URI_OCTETS_MAX, "SIPURI holds a URI, VAP 10.1");
    }
    if (!p->err && p->d->route_count == before)
        fail(p, node, ERR_SYNTAX, "a route has a SIPURI, VAP 10.1");
}

static void parse_once(struct parse *p, const xmlNode *node, size_t max, const char *rule, const char **ret_text)
{
    if (*ret_text)
        fail(p, node, ERR_SYNTAX, rule);
    else
        *ret_text = element_text(p, node, max, rule);
}

static void parse_vservice(struct parse *p, const xmlNode *vservice)
{
    struct vap_description *d = p->d;
    d->routes = region_array(&d->region, VAP_ROUTES_MAX, sizeof d->routes[0]);
    if (!d->routes)
        fail(p, vservice, ERR_NO_MEMORY, "out of memory");
    for (const xmlNode *node = vservice->children; node && !p->err; node = node->next) {
        if (is_element(node, "DHTname"))
            parse_once(p, node, VAP_DHT_NAME_OCTETS_MAX, "DHTname, VAP 10.1", &d->dht_name);
        else if (is_element(node, "DIDCount"))
            parse_count(p, node);
        else if (is_element(node, "domain"))
            parse_once(p, node, 253, "domain, VAP 10.1", &d->domain);
        else if (is_element(node, "blacklist"))
            parse_list(p, node, VAP_LIST_BLACK);
        else if (is_element(node, "whitelist"))
            parse_list(p, node, VAP_LIST_WHITE);
        else if (is_element(node, "route"))
            parse_route(p, node);
    }
    if (!d->dht_name)
        fail(p, vservice, ERR_SYNTAX, "vservice has a DHTname, VAP 10.1");
    if (!d->domain)
        fail(p, vservice, ERR_SYNTAX, "vservice has a domain, VAP 10.1");
    if (!p->err && !domain_is_valid(slice_str(d->domain)))
        fail(p, vservice, ERR_SYNTAX, "domain is a domain name, VAP 10.1");
    if (!d->route_count)
        fail(p, vservice, ERR_SYNTAX, "vservice has a route, VAP 10.1");
}

static const char *attribute(struct parse *p, const xmlNode *node, const char *name, const char *absent)
{
    xmlChar *value = xmlGetNoNsProp(node, (const xmlChar *)name);
    if (!value)
        return absent;
    const char *kept = NULL;
    if (strlen((const char *)value) > 255)
        fail(p, node, ERR_RANGE, "an attribute of service-description is too long");
    else if (!(kept = region_text(&p->d->region, slice_str((const char *)value))))
        fail(p, node, ERR_NO_MEMORY, "out of memory");
    xmlFree(value);
    return kept;
}

static void parse_root(struct parse *p, const xmlNode *root)
{
    const xmlNode *vservice = NULL;
    if (!root || !is_element(root, "service-description")) {
        fail(p, root, ERR_SYNTAX, "the document is a service-description, VAP 10.1");
        return;
    }
    p->d->id = attribute(p, root, "id", "");
    p->d->schema_version = attribute(p, root, "schemaVersion", "1.0");
    for (const xmlNode *node = root->children; node; node = node->next) {
        if (!is_element(node, "vservice"))
            continue;
        if (vservice)
            fail(p, node, ERR_SYNTAX, "service-description has one vservice, VAP 10.1");
        vservice = node;
    }
    if (vservice)
        parse_vservice(p, vservice);
    else
        fail(p, root, ERR_SYNTAX, "service-description has a vservice, VAP 10.1");
}

int vap_description_parse(struct slice xml, struct vap_description *ret_description, struct fault *ret_fault)
{
    struct vap_description d = {0};
    struct parse p = {.xml = xml, .d = &d};
    if (xml.n > VAP_CONTENT_OCTETS_MAX) {
        *ret_fault = (struct fault){VAP_CONTENT_OCTETS_MAX, "ServiceContent is less than 32k, VAP 10.3.12"};
        return ERR_LIMIT;
    }
    xmlParserCtxt *ctxt = xmlNewParserCtxt();
    if (!ctxt) {
        *ret_fault = (struct fault){0, "out of memory"};
        return ERR_NO_MEMORY;
    }
    /* No document type, so neither entities nor anything from outside. */
    ctxt->sax->internalSubset = refuse_doctype;
    ctxt->sax->externalSubset = refuse_doctype;
    xmlDoc *doc = xmlCtxtReadMemory(ctxt, xml.n ? (const char *)xml.p : "", (int)xml.n, NULL, NULL,
                                    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOBLANKS);
    long at = xmlByteConsumed(ctxt);
    region_init(&d.region, MEMORY_OCTETS_MAX);
    if (!doc || !ctxt->wellFormed || ctxt->disableSAX) {
        p.err = ERR_SYNTAX;
        p.fault =
            (struct fault){at > 0 && (size_t)at <= xml.n ? (size_t)at : 0, "well-formed XML without a document type"};
    } else {
        parse_root(&p, xmlDocGetRootElement(doc));
    }
    xmlFreeDoc(doc);
    xmlFreeParserCtxt(ctxt);
    if (p.err) {
        region_fini(&d.region);
        *ret_fault = p.fault;
        return p.err;
    }
    *ret_description = d;
    return 0;
}

void vap_description_fini(struct vap_description *d)
{
    region_fini(&d->region);
    *d = (struct vap_description){0};
}

/* Text or an attribute's value. */
static void put_escaped(struct buf *b, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            buf_str(b, "&amp;");
            break;
        case '<':
            buf_str(b, "&lt;");
            break;
        case '>':
            buf_str(b, "&gt;");
            break;
        case '"':
            buf_str(b, "&quot;");
            break;
        case '\n':
        case '\r':
        case '\t':
            buf_printf(b, "&#%d;", *text);
            break;
        default:
            buf_u8(b, (uint8_t)*text);
        }
    }
}

static void put_element(struct buf *b, const char *indent, const char *name, const char *text)
{
    buf_printf(b, "%s<tns:%s>", indent, name);
    put_escaped(b, text);
    buf_printf(b, "</tns:%s>\n", name);
}

void vap_description_format(const struct vap_description *d, struct buf *ret_xml)
{
    struct buf *b = ret_xml;
    buf_str(b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<service-description"
               " xmlns=\"http://www.cisco.com/namespaces/saf-uc\" id=\"");
    put_escaped(b, d->id ? d->id : "");
    buf_str(b, "\" schemaVersion=\"");
    put_escaped(b, d->schema_version ? d->schema_version : "1.0");
    buf_str(b, "\">\n<tns:vservice xmlns:tns=\"http://www.cisco.com/namespaces/viprtrunk\">\n");
    put_element(b, " ", "DHTname", d->dht_name);
    buf_printf(b, " <tns:DIDCount>%u</tns:DIDCount>\n", d->did_count);
    put_element(b, " ", "domain", d->domain);
    if (d->list_kind != VAP_LIST_NONE) {
        const char *name = d->list_kind == VAP_LIST_BLACK ? "blacklist" : "whitelist";
        buf_printf(b, " <tns:%s>\n", name);
        for (size_t i = 0; i < d->list_count; i++)
            put_element(b, "  ", "domain", d->list_domains[i]);
        buf_printf(b, " </tns:%s>\n", name);
    }
    for (size_t i = 0; i < d->route_count; i++) {
        buf_str(b, " <tns:route>\n");
        put_element(b, "  ", "SIPURI", d->routes[i]);
        buf_str(b, " </tns:route>\n");
    }
    buf_str(b, "</tns:vservice>\n</service-description>\n");
}

bool vap_description_allows(const struct vap_description *d, struct slice domain)
{
    bool listed = false;
    for (size_t i = 0; i < d->list_count && !listed; i++)
        listed = text_equal_nocase(slice_str(d->list_domains[i]), domain);
    return d->list_kind == VAP_LIST_NONE || listed == (d->list_kind == VAP_LIST_WHITE);
}
