// Moving data: batches in, borders of zeros, rows for affine layers, sums of branches.
#include "../images.hpp"
#include "../kernels.hpp"

namespace chainrule::CHAINRULE_ISA {

namespace {

struct One {
    View x;
};
struct Two {
    View x, y;
    int64_t accumulate;  // where the signature has it
};
struct Three {
    View a, b, y;
};
struct Border {
    View x;
    int64_t top, bottom, left, right;
};

}  // namespace

// Rows of the data set, channels first, into a view, channels last.
void load_input(const int64_t* arguments, int64_t, Context& context) {
    const View& y = reinterpret_cast<const One*>(arguments)->x;
    float* to = context.at(y.at);
    const int64_t size = y.c * pixels(y);
    in_parts(context, context.n, 1 + 4096 / size, [&](int64_t first, int64_t last, int64_t, int) {
        for (int64_t n = first; n < last; n++) {
            const float* from = context.X + (context.rows ? context.rows[n] : n) * size;
            float* image = to + n * y.image;
            if (pixels(y) == 1) {
                std::memcpy(image, from, 4 * size);
                continue;
            }
            for (int64_t h = 0; h < y.h; h++) {
                if (y.c == 1 && y.pixel == 1) {
                    std::memcpy(image + h * y.row, from + h * y.w, 4 * y.w);
                    continue;
                }
                transpose_matrix(from + h * y.w, y.h * y.w, image + h * y.row, y.pixel, y.c, y.w);
            }
        }
    });
}

void clear_border(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Border*>(arguments);
    const View& x = a.x;
    float* at = context.at(x.at);
    const int64_t whole = (x.w + a.left + a.right) * x.pixel;
    in_parts(context, context.n, 4, [&](int64_t first, int64_t last, int64_t, int) {
        for (int64_t n = first; n < last; n++) {
            float* image = at + n * x.image - a.left * x.pixel;
            for (int64_t h = -a.top; h < 0; h++) std::memset(image + h * x.row, 0, 4 * whole);
            for (int64_t h = x.h; h < x.h + a.bottom; h++) std::memset(image + h * x.row, 0, 4 * whole);
            for (int64_t h = 0; h < x.h; h++) {
                std::memset(image + h * x.row, 0, 4 * a.left * x.pixel);
                std::memset(image + h * x.row + (a.left + x.w) * x.pixel, 0, 4 * a.right * x.pixel);
            }
        }
    });
}

// Images as rows in the order (c, h, w), which is how the rows of an affine layer's W are numbered.
void flatten(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Two*>(arguments);
    const float* x = context.at(a.x.at);
    float* y = context.at(a.y.at);
    in_parts(context, context.n, 1 + 4096 / a.y.c, [&](int64_t first, int64_t last, int64_t, int) {
        for (int64_t n = first; n < last; n++)
            for (int64_t h = 0; h < a.x.h; h++)
                transpose_matrix(x + n * a.x.image + h * a.x.row, a.x.pixel, y + n * a.y.image + h * a.x.w,
                                 a.x.h * a.x.w, a.x.w, a.x.c);
    });
}

void unflatten(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Two*>(arguments);  // x: gradient of the rows, y: of the images
    const float* d = context.at(a.x.at);
    float* dx = context.at(a.y.at);
    in_parts(context, context.n, 1 + 4096 / a.x.c, [&](int64_t first, int64_t last, int64_t, int) {
        for (int64_t n = first; n < last; n++)
            for (int64_t h = 0; h < a.y.h; h++) {
                if (!a.accumulate) {
                    transpose_matrix(d + n * a.x.image + h * a.y.w, a.y.h * a.y.w,
                                     dx + n * a.y.image + h * a.y.row, a.y.pixel, a.y.c, a.y.w);
                    continue;
                }
                for (int64_t w = 0; w < a.y.w; w++) {
                    const float* from = d + n * a.x.image + h * a.y.w + w;
                    float* to = dx + n * a.y.image + h * a.y.row + w * a.y.pixel;
                    for (int64_t c = 0; c < a.y.c; c++)
                        to[c] += from[c * a.y.h * a.y.w];
                }
            }
    });
}

namespace {

// f(offsets of one pixel in each view) for all pixels of views of one shape.
template <typename Function>
void over_pixels(Context& context, const View& shape, const Function& f) {
    in_parts(context, context.n * shape.h, 1 + 4096 / (shape.w * shape.c), [&](int64_t first, int64_t last, int64_t, int) {
        for (int64_t l = first; l < last; l++)
            for (int64_t w = 0; w < shape.w; w++) f(l, w);
    });
}

int64_t place(const View& v, int64_t l, int64_t w) { return line_offset(v, l) + w * v.pixel; }

}  // namespace

void add(const int64_t* arguments, int64_t, Context& context) {
    const auto& v = *reinterpret_cast<const Three*>(arguments);
    const float *a = context.at(v.a.at), *b = context.at(v.b.at);
    float* y = context.at(v.y.at);
    over_pixels(context, v.y, [&](int64_t l, int64_t w) {
        const float *p = a + place(v.a, l, w), *q = b + place(v.b, l, w);
        float* to = y + place(v.y, l, w);
        for (int64_t c = 0; c < v.y.c; c++) to[c] = p[c] + q[c];
    });
}

void copy(const int64_t* arguments, int64_t, Context& context) {
    const auto& v = *reinterpret_cast<const Two*>(arguments);
    const float* x = context.at(v.x.at);
    float* y = context.at(v.y.at);
    over_pixels(context, v.y, [&](int64_t l, int64_t w) {
        const float* from = x + place(v.x, l, w);
        float* to = y + place(v.y, l, w);
        for (int64_t c = 0; c < v.y.c; c++) to[c] = v.accumulate ? to[c] + from[c] : from[c];
    });
}

void call(const int64_t* arguments, int64_t, Context& context) {
    const int status = context.callback(arguments[0]);
    if (status != OK) context.status = status;
}

}  // namespace chainrule::CHAINRULE_ISA
