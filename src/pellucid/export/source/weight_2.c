    case 2:
        return 2 * (c->weights[i / 4] >> (i % 4 * 2) & 3) - 3;
